//! Makes the scenario of a finding small, and keeps its run with journal and report.

use std::{fs, sync::Arc};

use checks::Run;
use explore::Shrunk;
use reports::{Source, folder, html};

use super::{Did, Hand};
use crate::{
    block::{Finding, Small, cut},
    key::{Item, Key},
    now_ms,
    queue::Trouble,
};

/// Returns the folder of a finding's files.
pub(crate) fn folder_of(hash: &str) -> String {
    format!("finding-{hash}")
}

impl Hand<'_> {
    pub(super) fn shrink(&self, hash: &str) -> Result<Did, Trouble> {
        let body = self.desk.queue.read(&Key::Finding(hash.to_owned()))?;
        let finding = body.and_then(|body| serde_json::from_slice::<Finding>(&body).ok());
        let finding = finding
            .ok_or_else(|| Trouble::of_item(format!("the finding {hash} cannot be read")))?;
        let vocabulary = (self.subject.found)().promises().vocabulary;
        let scenario = self.desk.scenario(vocabulary, &finding.text)?;
        let shrunk = explore::shrink(self.subject, &scenario, &finding.check, self.over);
        if self.is_over() {
            return Ok(Did::Nothing);
        }
        let mut small = Small {
            story: Vec::new(),
            faults: Vec::new(),
            ops: 0,
            files: Vec::new(),
            worker: self.name.clone(),
            at_ms: now_ms(),
        };
        if let Some(shrunk) = shrunk {
            small.story = shrunk.story().iter().map(|line| cut(line)).collect();
            let faults = shrunk.scenario.faults.iter();
            small.faults = faults.map(|fault| fault.kind.key().to_owned()).collect();
            small.ops = shrunk.scenario.ops.len() as u64;
            small.files = self.keep(hash, &shrunk)?;
        }
        self.end(&Item::Shrink(hash.to_owned()), small)
    }

    /// Keeps the run of what is left. Returns the files.
    fn keep(&self, hash: &str, shrunk: &Shrunk) -> Result<Vec<String>, Trouble> {
        let (scenario, options) = (&shrunk.scenario, &self.subject.options);
        let universe = &*Arc::clone(&self.subject.universe);
        let run = runs::run_on(universe, (self.subject.found)(), scenario, scenario.seed, options);
        let Run { mut record, recording } = run;
        self.build.clone_into(&mut record.meta.build);
        let unwritten = |why: &dyn std::fmt::Display| {
            Trouble::of_item(format!("the run of the finding {hash} cannot be written: {why}"))
        };
        let text = shrunk.to_toml();
        let aside = tempfile::tempdir().map_err(|error| unwritten(&error))?;
        let source = Source { record: &record, recording: Some(&recording), shrunk: Some(&text) };
        let written = folder::write(aside.path(), &source, &[&html::RENDERER]).and_then(|folder| {
            folder::keep_journal(&folder, &checks::header(&record), &recording)?;
            fs::write(folder.join(folder::SHRUNK), &text)?;
            fs::read_dir(&folder)?
                .map(|entry| Ok(entry?.path()))
                .collect::<std::io::Result<Vec<_>>>()
        });
        let mut names = Vec::new();
        for path in written.map_err(|error| unwritten(&error))? {
            let body = fs::read(&path).map_err(|error| unwritten(&error))?;
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let name = format!("{}/{name}", folder_of(hash));
            // A large file may take as long as a run over a slow line.
            self.goes_on();
            self.desk.queue.keep_file(&name, &body)?;
            names.push(name);
        }
        names.sort();
        Ok(names)
    }
}

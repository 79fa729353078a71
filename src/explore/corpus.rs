//! The scenarios that a campaign keeps: those that fail, and in a corpus also those that reached
//! something new, for the next campaign to begin with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use explore::{Candidate, Trial};
use scenarios::{Scenario, Vocabulary, language};

use super::make_folder;
use crate::exit::{Exit, Stop};

/// The most scenarios that are kept because they could not be judged.
const MOST_UNJUDGED: usize = 10;

/// The most scenarios of a corpus that a campaign begins with.
const MOST_READ: usize = 10_000;

/// Where scenarios are kept.
#[derive(Debug)]
pub(super) struct Corpus {
    /// The folder of scenarios that fail.
    failing: PathBuf,
    /// The folder of scenarios that reached something new; none without a corpus.
    interesting: Option<PathBuf>,
    /// The folder of scenarios that could not be judged, and how many this campaign has kept there.
    unjudged: (PathBuf, usize),
}

impl Corpus {
    /// Opens a corpus; without one, only failing scenarios are kept, in `out`.
    pub(super) fn open(corpus: Option<&Path>, out: &Path) -> Result<Self, Stop> {
        let failing = corpus.map_or_else(|| out.join("failing"), |corpus| corpus.join("failing"));
        let interesting = corpus.map(|corpus| corpus.join("interesting"));
        make_folder(&failing)?;
        if let Some(folder) = &interesting {
            make_folder(folder)?;
        }
        Ok(Self { failing, interesting, unjudged: (out.join("unjudged"), 0) })
    }

    /// Returns the scenarios that earlier campaigns kept in this corpus, failing ones first.
    pub(super) fn scenarios(&self, vocabulary: &'static Vocabulary) -> Result<Vec<Scenario>, Stop> {
        let Some(interesting) = &self.interesting else { return Ok(Vec::new()) };
        let mut scenarios = Vec::new();
        for folder in [&self.failing, interesting] {
            let files = language::load_folder_in(vocabulary, folder)
                .map_err(|mistakes| Stop::because(Exit::Usage, mistakes.render(false)))?;
            // A file of another version is left out, not an end to the campaign.
            scenarios.extend(files.into_iter().filter_map(|(_, scenario)| scenario.ok()));
        }
        scenarios.truncate(MOST_READ);
        Ok(scenarios)
    }

    /// Keeps a scenario that violated something. Returns the file.
    pub(super) fn keep_failing(
        &mut self,
        candidate: &Candidate,
        trial: &Trial,
    ) -> Result<PathBuf, Stop> {
        let check = trial.violations().first().map_or("failure", |violation| &violation.check);
        keep(&self.failing, check, &candidate.scenario)
    }

    /// Keeps a scenario that could not be judged, if not too many are kept already.
    pub(super) fn keep_unjudged(&mut self, candidate: &Candidate) -> Result<(), Stop> {
        let (folder, count) = &mut self.unjudged;
        if *count < MOST_UNJUDGED {
            make_folder(folder)?;
            keep(folder, candidate.method.word(), &candidate.scenario)?;
            *count += 1;
        }
        Ok(())
    }

    /// Keeps a scenario that reached something new.
    pub(super) fn keep_interesting(&mut self, candidate: &Candidate) -> Result<(), Stop> {
        let Some(folder) = &self.interesting else { return Ok(()) };
        keep(folder, candidate.method.word(), &candidate.scenario).map(drop)
    }
}

/// Writes a scenario into `folder`, under a name that begins with `word` and depends on what is in
/// it, so that the same one is kept once. Returns the file.
pub(super) fn keep(folder: &Path, word: &str, scenario: &Scenario) -> Result<PathBuf, Stop> {
    let hash = journal::hash(&[language::to_toml(scenario)]);
    let name = format!("{word}-{}", &hash[..8]);
    let mut named = scenario.clone();
    named.name.clone_from(&name);
    write(folder, &name, &language::to_toml(&named))
}

/// Writes a scenario's text into `folder`. Returns the file.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, Stop> {
    let path = folder.join(format!("{name}.toml"));
    fs::write(&path, text).map_err(|error| {
        Stop::because(Exit::Usage, format!("cannot write {}: {error}", path.display()))
    })?;
    Ok(path)
}

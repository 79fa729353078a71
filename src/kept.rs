//! Runs that were written down: found by what names them, and read with what lies beside them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use checks::Record;
use journal::{Recording, kept};
use reports::{Source, folder};

use crate::{
    exit::{Exit, Stop},
    replay,
};

/// Where runs go, and so where one is looked for that is named by its name alone.
const USUAL: &str = "target/fedsim";

/// A run that was written down.
pub(crate) struct KeptRun {
    /// The folder that holds it.
    pub(crate) folder: PathBuf,
    /// The run.
    pub(crate) record: Record,
    recording: Option<Recording>,
    shrunk: Option<String>,
}

impl KeptRun {
    /// Returns what it is shown from.
    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            record: &self.record,
            recording: self.recording.as_ref(),
            shrunk: self.shrunk.as_deref(),
        }
    }
}

/// Returns the records that are meant by a record, a folder that holds one, a folder of such
/// folders, or a run's name.
pub(crate) fn records(named: &Path) -> Result<Vec<PathBuf>, Stop> {
    let usual = Path::new(USUAL).join(named);
    let path = if named.exists() { named } else { &usual };
    if path.is_file() {
        let name = path.file_name().and_then(|name| name.to_str());
        let is_beside =
            name.is_some_and(|name| name.starts_with(folder::JOURNAL) || name == folder::REPORT);
        let record = if is_beside { path.with_file_name(folder::RECORD) } else { path.to_owned() };
        return Ok(vec![record]);
    }
    let record = path.join(folder::RECORD);
    if record.is_file() {
        return Ok(vec![record]);
    }
    let mut records = beneath(path);
    records.sort();
    if records.is_empty() {
        let message = format!(
            "there is no run at {}\nname a run.json that `fedsim run` wrote, or its folder",
            named.display()
        );
        return Err(Stop::because(Exit::Usage, message));
    }
    Ok(records)
}

/// Returns the record that is meant.
pub(crate) fn record(named: &Path) -> Result<PathBuf, Stop> {
    let mut records = records(named)?;
    let only = records.pop().filter(|_| records.is_empty());
    only.ok_or_else(|| {
        let message = format!("{} holds several runs\nname the folder of one", named.display());
        Stop::because(Exit::Usage, message)
    })
}

/// Returns the records of the folders in a folder; `latest` is one of the others.
fn beneath(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir()));
    let records = folders.map(|entry| entry.path().join(folder::RECORD));
    records.filter(|record| record.is_file()).collect()
}

/// Reads a run. Its journal is read if it is there, and must be the one of this run.
pub(crate) fn read(path: &Path) -> Result<KeptRun, Stop> {
    let record = replay::read(path)?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let recording = recording(&folder.join(folder::JOURNAL), &record)?;
    let shrunk = fs::read_to_string(folder.join(folder::SHRUNK)).ok();
    Ok(KeptRun { folder, record, recording, shrunk })
}

fn recording(path: &Path, record: &Record) -> Result<Option<Recording>, Stop> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    let refused = |why: &dyn std::fmt::Display| {
        Stop::because(Exit::Usage, format!("cannot read {}: {why}", path.display()))
    };
    let kept = kept::read(file).map_err(|malformed| refused(&malformed))?;
    if kept.recording.journal.hash() != record.log_hash {
        return Err(refused(&"it is not the journal of the record beside it"));
    }
    Ok(Some(kept.recording))
}

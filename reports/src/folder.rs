//! Where a run's files go: `<out>/<scenario>-<seed>/` with `run.json`, `report.txt` and, if it is
//! kept, the journal; and `<out>/latest`.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use checks::Record;
use journal::{
    Recording,
    kept::{self, Header},
};

use crate::{RENDERERS, json, text};

/// The record's file in a run's folder.
pub const RECORD: &str = json::RENDERER.file;
/// The text report's file in a run's folder.
pub const REPORT: &str = text::RENDERER.file;
/// The kept journal's file in a run's folder.
pub const JOURNAL: &str = "journal.jsonl.zst";
/// The name that leads to the run written last: a symbolic link, or where there are none, a file
/// with the folder's name.
pub const LATEST: &str = "latest";

/// Returns the folder of a run below `out`. Characters in the scenario's name that could lead
/// elsewhere are replaced.
pub fn of(out: &Path, scenario: &str, seed: u64) -> PathBuf {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = scenario.chars().map(|c| if safe(c) { c } else { '-' }).collect();
    let name = name.trim_start_matches('.');
    out.join(format!("{name}-{seed}"))
}

/// Writes a run's file of each renderer below `out` and returns their folder. Each file is either
/// written whole or left as it was before.
pub fn write(out: &Path, record: &Record) -> io::Result<PathBuf> {
    let folder = of(out, &record.scenario.name, record.seed);
    fs::create_dir_all(&folder)?;
    forget_journal(&folder)?;
    for renderer in RENDERERS {
        put(&folder.join(renderer.file), &(renderer.render)(record))?;
    }
    Ok(folder)
}

/// Writes a run's journal into its folder. It is there whole or not at all.
pub fn keep_journal(folder: &Path, header: &Header, recording: &Recording) -> io::Result<()> {
    let path = folder.join(JOURNAL);
    let aside = path.with_extension("new");
    kept::write(BufWriter::new(File::create(&aside)?), header, recording)?;
    fs::rename(&aside, path)
}

/// Removes the journal of an earlier run of the same name and seed, which must not pass for this
/// run's.
fn forget_journal(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(JOURNAL)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes `<out>/latest` lead to `folder`, which lies directly in `out`.
pub fn point_latest(out: &Path, folder: &Path) -> io::Result<()> {
    let name = folder.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let aside = out.join(format!(".{LATEST}.new"));
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    lead_to(Path::new(name), &aside)?;
    fs::rename(&aside, out.join(LATEST))
}

#[cfg(unix)]
fn lead_to(name: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(name, link)
}

#[cfg(not(unix))]
fn lead_to(name: &Path, link: &Path) -> io::Result<()> {
    fs::write(link, name.as_os_str().as_encoded_bytes())
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    let aside = path.with_extension("new");
    fs::write(&aside, text)?;
    fs::rename(&aside, path)
}

//! Where a run's files go: `<out>/<scenario>-<seed>/` with `run.json`, `report.txt` and, if it is
//! kept, the journal; and `<out>/latest`.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use ::journal::{
    Recording,
    kept::{self, Header},
};

use crate::{NoJournal, RENDERERS, Renderer, Source, html, json, text};

/// The record's file in a run's folder.
pub const RECORD: &str = json::RENDERER.file;
/// The text report's file in a run's folder.
pub const REPORT: &str = text::RENDERER.file;
/// The page about a run in its folder.
pub const PAGE: &str = html::RENDERER.file;
/// What shrinking left of a run's scenario, in its folder.
pub const SHRUNK: &str = "shrunk.toml";
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

/// The renderers whose files every run's folder has.
const ALWAYS: [Renderer; 2] = [json::RENDERER, text::RENDERER];

/// Writes a run's folder below `out`: its record, its text report, and the files of `also`. Returns
/// the folder. What an earlier run of the same name and seed left there and is not written now is
/// removed: it must not pass for this run's.
pub fn write(out: &Path, source: &Source<'_>, also: &[&Renderer]) -> io::Result<PathBuf> {
    let record = source.record;
    let folder = of(out, &record.scenario.name, record.seed);
    fs::create_dir_all(&folder)?;
    for file in [JOURNAL, SHRUNK] {
        forget(&folder.join(file))?;
    }
    for renderer in RENDERERS {
        let name = renderer.name;
        let is_wanted = ALWAYS.iter().chain(also.iter().copied()).any(|it| it.name == name);
        if !is_wanted {
            forget(&folder.join(renderer.file))?;
        } else if let Err(why) = render(&folder, source, renderer)? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
    }
    Ok(folder)
}

/// Writes what a renderer makes of a run into its folder. Each file is either written whole or left
/// as it was before.
pub fn render(
    folder: &Path,
    source: &Source<'_>,
    renderer: &Renderer,
) -> io::Result<Result<Vec<PathBuf>, NoJournal>> {
    let files = match renderer.files(source) {
        Ok(files) => files,
        Err(why) => return Ok(Err(why)),
    };
    let mut paths = Vec::new();
    for file in files {
        let path = folder.join(&file.name);
        if let Some(within) = path.parent() {
            fs::create_dir_all(within)?;
        }
        put(&path, &file.bytes)?;
        paths.push(path);
    }
    Ok(Ok(paths))
}

/// Writes a run's journal into its folder. It is there whole or not at all.
pub fn keep_journal(folder: &Path, header: &Header, recording: &Recording) -> io::Result<()> {
    let path = folder.join(JOURNAL);
    let aside = aside(&path);
    kept::write(BufWriter::new(File::create(&aside)?), header, recording)?;
    fs::rename(&aside, path)
}

/// Removes a file, or a folder of files, if it is there.
fn forget(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes `<out>/latest` lead to `folder`, which lies directly in `out`.
pub fn point_latest(out: &Path, folder: &Path) -> io::Result<()> {
    let name = folder.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let aside = aside(&out.join(LATEST));
    forget(&aside)?;
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

/// Writes a file of a run's folder, or of all runs together, whole or not at all.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = aside(path);
    let written = fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        let _gone = fs::remove_file(&aside);
    }
    written
}

/// Returns where a file is written before it is renamed: beside it, under a name that no other process
/// and no other thread uses.
fn aside(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}-{nth}.new", process::id()))
}

#[cfg(test)]
mod tests {
    use super::put;

    #[test]
    fn several_who_write_the_same_file_at_once_each_write_it_whole() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("exploration.json");
        let write = || (0..200).all(|_| put(&path, b"whole").is_ok());
        let all_wrote = std::thread::scope(|scope| {
            let begin = |_| std::thread::Builder::new().spawn_scoped(scope, write);
            let writers: Vec<_> = (0..4).map(begin).collect();
            writers.into_iter().all(|it| it.expect("a thread").join().expect("it ends"))
        });
        assert!(all_wrote);
        assert_eq!(std::fs::read(&path).expect("it is there"), b"whole");
        assert_eq!(std::fs::read_dir(folder.path()).expect("read").count(), 1);
    }
}

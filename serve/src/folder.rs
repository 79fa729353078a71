//! What lies in the folder that is shown, and nothing outside of it.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use reports::{folder, progress};

use crate::answer::Problem;

/// How deep below the folder runs are looked for: a campaign of campaigns.
const DEEPEST: usize = 3;
/// The most files and folders that are looked at.
const MOST_LOOKED_AT: usize = 100_000;

/// The folder that is shown.
#[derive(Debug)]
pub(crate) struct Folder {
    /// As it was named.
    pub(crate) named: PathBuf,
    /// Where it is.
    root: PathBuf,
}

/// What was found in it; each file by its way below it, with `/` between folders.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Folders of runs, the ones written last first.
    pub(crate) runs: Vec<Place>,
    /// Files in which explorations tell how far they are, the ones written last first.
    pub(crate) explorations: Vec<Place>,
    /// Folders with a journal and without a record.
    pub(crate) journals_alone: Vec<Place>,
    /// Whether there is more than was looked at.
    pub(crate) is_cut: bool,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its way below the folder that is shown; empty for that folder itself.
    pub(crate) way: String,
    /// When it was written.
    pub(crate) written: Stamp,
}

/// What changes when a file is written anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// Milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// Bytes.
    pub(crate) bytes: u64,
}

impl Stamp {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        let since =
            metadata.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let at_ms = since.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
        Self { at_ms, bytes: metadata.len() }
    }
}

impl Folder {
    pub(crate) fn open(named: &Path) -> io::Result<Self> {
        let root = fs::canonicalize(named)?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { named: named.to_owned(), root })
    }

    /// Returns the path that a way below this folder leads to. Neither the way nor a link on it
    /// leads out of the folder.
    pub(crate) fn inside(&self, way: &str) -> Result<PathBuf, Problem> {
        let is_plain = |it: Component<'_>| matches!(it, Component::Normal(_));
        let missing =
            || Problem::missing(format!("there is no `{way}` in {}", self.named.display()));
        if !Path::new(way).components().all(is_plain) {
            return Err(missing());
        }
        let path = fs::canonicalize(self.root.join(way)).map_err(|_| missing())?;
        if path.starts_with(&self.root) { Ok(path) } else { Err(missing()) }
    }

    /// Returns how a file below this folder is named for people.
    pub(crate) fn shown(&self, way: &str) -> PathBuf {
        if way.is_empty() { self.named.clone() } else { self.named.join(way) }
    }

    /// Looks for runs and explorations.
    pub(crate) fn look(&self) -> Found {
        let mut found = Found::default();
        let mut looked_at = 0;
        self.look_into("", 0, &mut looked_at, &mut found);
        for places in [&mut found.runs, &mut found.explorations, &mut found.journals_alone] {
            places.sort_by(|one, other| (other.written, &one.way).cmp(&(one.written, &other.way)));
        }
        found
    }

    fn look_into(&self, way: &str, depth: usize, looked_at: &mut usize, found: &mut Found) {
        let Ok(entries) = fs::read_dir(self.root.join(way)) else { return };
        let mut folders = Vec::new();
        let (mut record, mut journal) = (None, None);
        for entry in entries.flatten() {
            *looked_at += 1;
            if *looked_at > MOST_LOOKED_AT {
                found.is_cut = true;
                return;
            }
            // Links are passed over: `latest` is a run that is there by its own name.
            let (Ok(kind), Some(name)) = (entry.file_type(), name(&entry.file_name())) else {
                continue;
            };
            let below = if way.is_empty() { name.clone() } else { format!("{way}/{name}") };
            if kind.is_dir() {
                folders.push(below);
            } else if kind.is_file() && name == folder::RECORD {
                record = entry.metadata().ok();
            } else if kind.is_file() && name == folder::JOURNAL {
                journal = entry.metadata().ok();
            } else if kind.is_file() && progress::is_file(&name) {
                let written = entry.metadata().ok().map(|it| Stamp::of(&it));
                found.explorations.extend(written.map(|written| Place { way: below, written }));
            }
        }
        let place = |it: fs::Metadata| Place { way: way.to_owned(), written: Stamp::of(&it) };
        match (record, journal) {
            (Some(record), _) => found.runs.push(place(record)),
            (None, Some(journal)) => found.journals_alone.push(place(journal)),
            (None, None) => {}
        }
        if depth < DEEPEST {
            folders.sort();
            for below in &folders {
                self.look_into(below, depth + 1, looked_at, found);
            }
        }
    }
}

/// Returns a name that can be part of a way: text, and not hidden.
fn name(name: &OsStr) -> Option<String> {
    name.to_str().filter(|name| !name.starts_with('.')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Folder;

    #[test]
    fn no_way_leads_out_of_the_folder() {
        let outer = tempfile::tempdir().expect("a temporary folder");
        let shown = outer.path().join("shown");
        fs::create_dir_all(shown.join("run")).expect("made");
        fs::write(outer.path().join("secret"), "s").expect("written");
        #[cfg(unix)]
        std::os::unix::fs::symlink(outer.path().join("secret"), shown.join("link"))
            .expect("linked");
        let folder = Folder::open(&shown).expect("it is there");
        assert!(folder.inside("run").is_ok() && folder.inside("").is_ok());
        for way in
            ["../secret", "run/../../secret", "/etc/passwd", "link", "./run/../..", "nothing"]
        {
            assert!(folder.inside(way).is_err(), "{way}");
        }
    }

    #[test]
    fn runs_and_explorations_are_found_where_they_lie() {
        let shown = tempfile::tempdir().expect("a temporary folder");
        for run in ["one-1", "night/two-1", "night/a/b/too-deep-1"] {
            fs::create_dir_all(shown.path().join(run)).expect("made");
            fs::write(shown.path().join(run).join("run.json"), "{}").expect("written");
        }
        fs::create_dir_all(shown.path().join("explore")).expect("made");
        fs::write(shown.path().join("explore/exploration.json"), "{}").expect("written");
        let found = Folder::open(shown.path()).expect("it is there").look();
        let mut runs: Vec<_> = found.runs.iter().map(|it| &*it.way).collect();
        runs.sort_unstable();
        assert_eq!(runs, ["night/two-1", "one-1"]);
        assert_eq!(found.explorations[0].way, "explore/exploration.json");
    }
}

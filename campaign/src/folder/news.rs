//! What is new in a folder, without a look at all that is in it: a list to which every name is added
//! before the thing itself appears.
//!
//! So whoever dies in between leaves a name without a thing, which is looked for again each time, and
//! never a thing without a name. The list is not synced: after a loss of power nobody is left who has
//! read it, and who begins anew looks at the folder itself.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

/// The file's name, in the folder of the campaign that is not for people.
pub(super) const FILE: &str = "news";
/// The most bytes that are read at once; the rest is read the next time.
const MOST_AT_ONCE: u64 = 16 << 20;

/// How far somebody has read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mark {
    /// How many bytes of the list were read, all of them whole lines.
    read: u64,
    /// Names whose things were not there yet.
    awaited: BTreeSet<String>,
    /// Whether the folder itself was looked at.
    has_looked: bool,
}

/// What may be new.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct News {
    /// These names.
    pub(super) names: BTreeSet<String>,
    /// Also everything that is in the folder, which must be looked at.
    pub(super) all: bool,
}

/// Begins the list of a new folder.
pub(super) fn begin(path: &Path) -> io::Result<()> {
    File::create_new(path).map(drop)
}

/// Adds a name, whose thing appears only after that.
///
/// A line begins and ends with its own line break: one that somebody did not finish spoils no other.
pub(super) fn add(path: &Path, name: &str) -> io::Result<()> {
    match File::options().append(true).open(path) {
        // One call, so that nobody else's name comes between.
        Ok(mut list) => list.write_all(format!("\n{name}\n").as_bytes()),
        // An older version made this folder: its readers look at everything.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns what may be new since `mark`.
pub(super) fn since(path: &Path, mark: &mut Mark) -> io::Result<News> {
    let mut list = match File::open(path) {
        Ok(list) => list,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(News { names: BTreeSet::new(), all: true });
        }
        Err(error) => return Err(error),
    };
    if list.metadata()?.len() < mark.read {
        // It is another one.
        *mark = Mark::default();
    }
    list.seek(SeekFrom::Start(mark.read))?;
    let mut new = Vec::new();
    list.take(MOST_AT_ONCE).read_to_end(&mut new)?;
    // What somebody is writing just now comes the next time.
    let whole = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    mark.read += whole as u64;
    let lines = new[..whole].split(|byte| *byte == b'\n');
    let named = lines.filter(|line| !line.is_empty()).filter_map(|line| str::from_utf8(line).ok());
    mark.awaited.extend(named.map(str::to_owned));
    let all = !mark.has_looked;
    mark.has_looked = true;
    Ok(News { names: std::mem::take(&mut mark.awaited), all })
}

impl Mark {
    /// Has a name be looked for again, whose thing is not there.
    pub(super) fn look_again(&mut self, name: String) {
        self.awaited.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> BTreeSet<String> {
        of.iter().map(|it| (*it).to_owned()).collect()
    }

    /// Returns a list with these bytes in it.
    fn list(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(FILE);
        std::fs::write(&path, bytes).expect("written");
        (folder, path)
    }

    #[test]
    fn however_much_is_there_only_what_is_new_is_looked_at() {
        let (_folder, path) = list(b"");
        let mut mark = Mark::default();
        for number in 0..5_000 {
            add(&path, &format!("result.{number}")).expect("added");
        }
        let first = since(&path, &mut mark).expect("read");
        assert_eq!((first.names.len(), first.all), (5_000, true));
        assert_eq!(since(&path, &mut mark).expect("read"), News { names: names(&[]), all: false });
        add(&path, "result.5000").expect("added");
        let new = News { names: names(&["result.5000"]), all: false };
        assert_eq!(since(&path, &mut mark).expect("read"), new);
    }

    #[test]
    fn a_name_that_was_not_finished_spoils_no_other_and_is_not_taken_for_one() {
        let (_folder, path) = list(b"\nresult.1\n\nresu");
        let mut mark = Mark::default();
        assert_eq!(since(&path, &mut mark).expect("read").names, names(&["result.1"]));
        add(&path, "result.2").expect("added");
        assert_eq!(since(&path, &mut mark).expect("read").names, names(&["resu", "result.2"]));
    }

    #[test]
    fn a_name_whose_thing_does_not_come_is_named_again_and_again() {
        let (_folder, path) = list(b"\nresult.1\n");
        let mut mark = Mark::default();
        for _ in 0..3 {
            assert_eq!(since(&path, &mut mark).expect("read").names, names(&["result.1"]));
            mark.look_again("result.1".to_owned());
        }
    }

    #[test]
    fn whoever_finds_no_list_or_a_shorter_one_looks_at_everything() {
        let (_folder, path) = list(b"\nresult.1\n\nresult.2\n");
        let mut mark = Mark::default();
        since(&path, &mut mark).expect("read");
        std::fs::write(&path, b"\nresult.3\n").expect("written");
        let news = since(&path, &mut mark).expect("read");
        assert_eq!(news, News { names: names(&["result.3"]), all: true });
        std::fs::remove_file(&path).expect("removed");
        add(&path, "result.4").expect("nothing to add it to");
        assert!(since(&path, &mut mark).expect("read").all);
    }
}

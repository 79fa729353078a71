//! A copy of a machine's disk, while the program on it runs.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

/// How long the copy waits for a writer that is in the middle of something.
const BUSY: Duration = Duration::from_secs(30);

/// Copies the databases in the directory `of`, and the secrets and notes beside them, into the directory
/// `to`, which is made. Each database is copied as it is at one moment: what is written meanwhile is not
/// in it. The copies are durable when this returns. Returns their paths.
///
/// # Errors
/// There is no database, `to` holds something already, or the disk refuses; each names the file. What
/// was copied until then is left there.
pub fn back_up(of: &Path, to: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut databases, mut beside) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(of).map_err(|error| named(of, &error))? {
        let path = entry.map_err(|error| named(of, &error))?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("sqlite") => databases.push(path),
            Some("key" | "note") => beside.push(path),
            _ => {}
        }
    }
    if databases.is_empty() {
        return Err(named(of, &io::Error::other("there is no database here")));
    }
    make_empty(to).map_err(|error| named(to, &error))?;
    let mut copies = Vec::new();
    for from in databases {
        let copy = place(to, &from)?;
        copy_database(&from, &copy).map_err(|error| named(&from, &error))?;
        copies.push(copy);
    }
    for from in beside {
        let copy = place(to, &from)?;
        fs::copy(&from, &copy).map_err(|error| named(&from, &error))?;
        sync(&copy).map_err(|error| named(&copy, &error))?;
        copies.push(copy);
    }
    sync(to).map_err(|error| named(to, &error))?;
    copies.sort_unstable();
    Ok(copies)
}

/// Makes a directory that only its owner can enter, for what is in it is as secret as the server.
fn make_empty(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    if fs::read_dir(directory)?.next().is_some() {
        return Err(io::Error::other("it holds something already; name a new directory"));
    }
    Ok(())
}

fn place(to: &Path, from: &Path) -> io::Result<PathBuf> {
    let name = from.file_name().ok_or_else(|| named(from, &io::Error::other("it has no name")))?;
    Ok(to.join(name))
}

/// Copies a database, as it is at one moment, into a file that is not there yet: in one read
/// transaction. (SQLite's backup API begins anew whenever another process writes, which a busy server
/// does all the time.) What is in the copy is durable when this returns.
///
/// # Errors
/// The file is there, or a disk refuses.
pub fn copy_database(from: &Path, to: &Path) -> io::Result<()> {
    let copy = to.to_str().ok_or_else(|| io::Error::other("the name of the copy is not UTF-8"))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(from, flags).map_err(io::Error::other)?;
    connection.busy_timeout(BUSY).map_err(io::Error::other)?;
    connection.execute("VACUUM INTO ?1", [copy]).map_err(io::Error::other)?;
    sync(to)
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_numbers(folder: &Path, numbers: i64) -> Connection {
        let database = Connection::open(folder.join("a.sqlite")).unwrap();
        database.pragma_update(None, "journal_mode", "WAL").unwrap();
        database.execute("CREATE TABLE numbers (n INTEGER)", []).unwrap();
        for n in 0..numbers {
            database.execute("INSERT INTO numbers VALUES (?1)", [n]).unwrap();
        }
        database
    }

    #[test]
    fn a_database_in_use_is_copied_as_it_is_with_the_keys() {
        let folder = tempfile::tempdir().unwrap();
        let (of, to) = (folder.path().join("of"), folder.path().join("to"));
        fs::create_dir(&of).unwrap();
        fs::write(of.join("signing.key"), "00").unwrap();
        fs::write(of.join("old-keys.note"), "").unwrap();
        let database = with_numbers(&of, 10);
        // What is not committed is not in the copy, and who writes does not hold it up.
        database.execute_batch("BEGIN IMMEDIATE; DELETE FROM numbers").unwrap();
        let copies = back_up(&of, &to).unwrap();
        assert_eq!(copies, ["a.sqlite", "old-keys.note", "signing.key"].map(|name| to.join(name)));
        let copy = Connection::open(to.join("a.sqlite")).unwrap();
        let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        assert_eq!(copy.query_row("SELECT count(*) FROM numbers", [], count).unwrap(), 10);
    }

    #[test]
    fn nothing_is_written_over_and_nothing_is_no_backup() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |to: &Path| back_up(folder.path(), to).unwrap_err().to_string();
        let to = folder.path().join("to");
        assert!(refused(&to).contains("no database") && !to.exists());
        drop(with_numbers(folder.path(), 1));
        assert!(refused(folder.path()).contains("holds something"));
    }
}

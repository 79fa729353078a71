//! Connections that are used again: where a database is opened that is as an installation left it, a
//! connection of a world that is over is given the files of this one; and a machine that boots again
//! gets back the connection that it had. Either keeps the statements that were prepared on it, which
//! is what most of opening and a seventh of a run's time would go into.
//!
//! A run cannot tell whether that happened. What opening a database does depends on what it reads
//! there: that is the schema, and the log.
//! - The schema. That of a database which was just installed is the one that a connection knows if all
//!   that opening would read of it is as it was ([`Opening::would_be_same_for`]). That of a database
//!   which a machine has used is the one that its connection knew: no statement of a connection that is
//!   kept changes the schema, and SQLite itself sees by the schema's cookie if another one has.
//! - The log. A new database has none, and opening makes an empty one; a connection that is used again
//!   has that done in its place. That of a machine which boots again is read by SQLite itself, since
//!   the connection finds the log's index empty, as a new one does; and it is settled alike.
//!
//! A connection that is used again finds its locks and the log's index as a new one does. Neither has
//! a page in memory, and both know the schema. SQLite itself looks at the index when a transaction
//! begins, as it does because another process may have written meanwhile. What was read until then is
//! not counted ([`DiskStats::reads`]).
//!
//! Only a connection that is like a new one is kept: its incarnation is over, it was idle then, no
//! operation of its files ever failed, nothing was ever the matter with its disk, and no statement
//! did more than read and change rows.

use std::{
    cell::RefCell,
    ops::Range,
    sync::{Arc, Mutex, Weak},
};

use libsqlite3_sys as ffi;
use rusqlite::Connection;
use transport::database::{prepare_connection, settle_log};

use super::{
    DiskStats,
    connection::{forget_last_row, watch_statements},
    directory::FileRef,
    file::File,
    incarnation::Incarnation,
    io::with_files,
    pages::Pages,
    vfs::Vfs,
    volume::{Answer, VolumeState},
};

/// Connections that a thread keeps; beyond that the one kept longest is closed.
const MAX_KEPT: usize = 64;

/// Bytes of a database's header that change without the schema, and that a transaction on a database
/// with a log looks at as it begins, if at all: the change counter, the size in pages, the list of
/// free pages, and for which change the version is valid (SQLite's file format, section 1.3).
const PASSING: [Range<usize>; 2] = [24..40, 92..96];

thread_local! {
    /// The connections that wait for their next world, that kept longest first.
    static KEPT: RefCell<Vec<Opened>> = const { RefCell::new(Vec::new()) };

    /// Where they wait.
    static NOWHERE: Arc<Incarnation> = Incarnation::nowhere();
}

/// An open connection.
pub(super) struct Opened {
    pub(super) connection: Connection,
    vfs: Arc<Vfs>,
    /// What opening it did, if it may be used again.
    opening: Option<Opening>,
    /// The database that it was on while its last incarnation lived.
    was_on: Weak<Mutex<File>>,
}

/// What opening a database did that an installation left behind.
struct Opening {
    /// The database.
    file: String,
    /// What was read of it, by offset.
    seen: Vec<(usize, Vec<u8>)>,
    /// What the index of the log held.
    index: Vec<Vec<u64>>,
}

/// Opens the database `file`, and creates it if need be.
pub(super) fn open(incarnation: &Arc<Incarnation>, file: &str) -> rusqlite::Result<Opened> {
    let (volume, epoch) = (incarnation.volume(), incarnation.epoch());
    let Some(there) = volume.sound(epoch, file) else { return open_anew(incarnation, file) };
    let reads = volume.stats().reads;
    let opened = match volume.untouched(epoch, file) {
        Some(pages) => open_untouched(incarnation, file, &pages),
        None => open_used(incarnation, file, &there),
    };
    volume.count_reads(reads);
    opened
}

fn open_anew(incarnation: &Arc<Incarnation>, file: &str) -> rusqlite::Result<Opened> {
    let opened = connect(Vfs::register(incarnation), file)?;
    settle_log(&opened.connection)?;
    Ok(opened)
}

/// Opens a database that an installation left behind, which holds `pages`.
fn open_untouched(
    incarnation: &Arc<Incarnation>,
    file: &str,
    pages: &Pages,
) -> rusqlite::Result<Opened> {
    let is_it = |kept: &Opened| {
        kept.opening.as_ref().is_some_and(|opening| opening.would_be_same_for(file, pages))
    };
    let kept = take(is_it).filter(|kept| kept.move_to(incarnation));
    kept.map_or_else(|| open_first(incarnation, file, pages), Ok)
}

/// Opens a database that a machine has used before, which is `there`.
fn open_used(
    incarnation: &Arc<Incarnation>,
    file: &str,
    there: &FileRef,
) -> rusqlite::Result<Opened> {
    let is_it = |kept: &Opened| Weak::as_ptr(&kept.was_on) == Arc::as_ptr(there);
    let opened = match take(is_it).filter(|kept| kept.move_back(incarnation, there)) {
        Some(kept) => {
            settle_log(&kept.connection)?;
            kept
        }
        None => open_anew(incarnation, file)?,
    };
    know_schema(&opened.connection)?;
    Ok(opened)
}

/// Takes the connection kept last of those of which `is_it` holds.
fn take(is_it: impl Fn(&Opened) -> bool) -> Option<Opened> {
    KEPT.with_borrow_mut(|kept| {
        let at = kept.iter().rposition(is_it)?;
        Some(kept.remove(at))
    })
}

fn connect(vfs: Arc<Vfs>, file: &str) -> rusqlite::Result<Opened> {
    let connection = vfs.connect(file)?;
    prepare_connection(&connection)?;
    Ok(Opened { connection, vfs, opening: None, was_on: Weak::new() })
}

/// Has the connection know the schema, and have no page in memory.
fn know_schema(connection: &Connection) -> rusqlite::Result<()> {
    drop(connection.prepare("SELECT 1 FROM sqlite_schema")?);
    connection.release_memory()
}

/// Opens a database that an installation left behind, with a connection that may be used again.
fn open_first(
    incarnation: &Arc<Incarnation>,
    file: &str,
    pages: &Pages,
) -> rusqlite::Result<Opened> {
    let before = incarnation.volume().stats();
    let vfs = Vfs::register(incarnation);
    vfs.note_reads(true);
    let mut opened = connect(vfs, file)?;
    let Opened { connection, vfs, .. } = &opened;
    know_schema(connection)?;
    let after = incarnation.volume().stats();
    let only_read = DiskStats { reads: before.reads, ..after } == before;
    let opening = with_files(connection, |database, log| {
        let index = database.idle_index().filter(|_| only_read && log.is_new_log())?;
        let seen = database.take_read().into_iter().map(|place| (place.start, see(pages, place)));
        Some(Opening { file: file.to_owned(), seen: seen.collect(), index })
    });
    vfs.note_reads(false);
    if let Some(opening) = opening.flatten() {
        watch_statements(connection, vfs);
        opened.opening = Some(opening);
    }
    Ok(opened)
}

impl Opening {
    /// Returns whether opening the database `file` that holds `pages` would do what this did: whether
    /// it would read the same.
    fn would_be_same_for(&self, file: &str, pages: &Pages) -> bool {
        let is_seen = |(offset, bytes): &(usize, Vec<u8>)| {
            see(pages, *offset..*offset + bytes.len()) == *bytes
        };
        self.file == file && self.seen.iter().all(is_seen)
    }
}

/// Returns what opening learns of `place`: what is there, without the fields of the header that every
/// transaction reads again.
fn see(pages: &Pages, place: Range<usize>) -> Vec<u8> {
    let mut bytes = vec![0; place.len()];
    pages.read(place.start, &mut bytes);
    for at in PASSING.into_iter().flatten().filter(|at| place.contains(at)) {
        bytes[at - place.start] = 0;
    }
    bytes
}

/// Keeps a connection for a later incarnation if it is like a new one, and closes it otherwise.
pub(super) fn keep(mut opened: Opened, incarnation: &Incarnation) {
    // A thread that ends keeps nothing.
    let closed = if opened.is_like_new(incarnation) && opened.leave() {
        KEPT.try_with(|kept| push(&mut kept.borrow_mut(), opened)).ok().flatten()
    } else {
        Some(opened)
    };
    drop(closed);
}

/// Returns the connection that has to go instead.
fn push(kept: &mut Vec<Opened>, opened: Opened) -> Option<Opened> {
    kept.push(opened);
    (kept.len() > MAX_KEPT).then(|| kept.remove(0))
}

impl Opened {
    /// Returns whether this connection, which `incarnation` opened, is like one that was just
    /// opened by nobody.
    fn is_like_new(&self, incarnation: &Incarnation) -> bool {
        let Some(opening) = &self.opening else { return false };
        !incarnation.is_alive()
            && !incarnation.volume().was_troubled()
            && !self.vfs.is_spoilt()
            && !std::thread::panicking()
            && self.connection.is_autocommit()
            && !self.connection.is_busy()
            && with_files(&self.connection, |database, log| {
                let index = database.idle_index();
                let is_own = database.is_of(&self.vfs) && log.is_of(&self.vfs);
                is_own && index.is_some_and(|index| index.len() == opening.index.len())
            }) == Some(true)
    }

    /// Forgets the incarnation that is over; returns whether it could.
    fn leave(&mut self) -> bool {
        forget_last_row(&self.connection);
        let Ok(nowhere) = NOWHERE.try_with(Arc::clone) else { return false };
        let was_on = with_files(&self.connection, |database, log| {
            log.move_to(&nowhere, FileRef::default());
            Arc::downgrade(&database.move_to(&nowhere, FileRef::default()))
        });
        self.vfs.move_to(&nowhere);
        let Some(was_on) = was_on else { return false };
        self.was_on = was_on;
        self.connection.release_memory().is_ok()
    }

    /// Does what opening the database after its installation would do, on the disk of `incarnation`;
    /// returns whether it could.
    fn move_to(&self, incarnation: &Arc<Incarnation>) -> bool {
        let Some(opening) = &self.opening else { return false };
        self.move_files(incarnation, opening, |state| {
            let file = state.directory.get(&opening.file).ok_or(ffi::SQLITE_CANTOPEN)?;
            Ok((Arc::clone(file), opening.index.clone()))
        })
    }

    /// Does what opening the database `there` does, which this connection was on, up to reading its
    /// log, for `incarnation`; returns whether it could.
    fn move_back(&self, incarnation: &Arc<Incarnation>, there: &FileRef) -> bool {
        let Some(opening) = &self.opening else { return false };
        let empty = opening.index.iter().map(|region| vec![0; region.len()]).collect();
        self.move_files(incarnation, opening, |_| Ok((Arc::clone(there), empty)))
    }

    /// Gives the connection the files of `incarnation`: the database, with its log's index, that
    /// `find` returns, and the log beside it.
    fn move_files(
        &self,
        incarnation: &Arc<Incarnation>,
        opening: &Opening,
        find: impl FnOnce(&VolumeState) -> Answer<(FileRef, Vec<Vec<u64>>)>,
    ) -> bool {
        let log_name = format!("{}-wal", opening.file);
        let moved = with_files(&self.connection, |database, log| {
            incarnation.operate(ffi::SQLITE_CANTOPEN, |state| {
                let (file, index) = find(state)?;
                database.open_again(incarnation, file, &index);
                log.open_log_again(incarnation, state.directory.find_or_create(&log_name));
                Ok(())
            })
        });
        let is_moved = matches!(moved, Some(Ok(())));
        if is_moved {
            self.vfs.move_to(incarnation);
        }
        is_moved
    }
}

#[cfg(test)]
mod tests;

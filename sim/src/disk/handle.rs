//! An open file, and the operations that SQLite asks of it.

use std::{
    ffi::{c_int, c_void},
    ops::Range,
    sync::{Arc, Mutex},
};

use libsqlite3_sys as ffi;

use super::{
    directory::FileRef,
    incarnation::Incarnation,
    locks::Level,
    shm::{Held, SLOTS, Shm},
    vfs::{Caught, Vfs},
    volume::{Answer, Notice, VolumeState, lock},
};

/// Bytes that one file may have; growing beyond fails with ENOSPC.
const FILE_BYTES_MAX: usize = 1 << 34;

/// An open file. It belongs to the incarnation in which it was opened, and is dead once that has
/// ended.
pub(super) struct Handle {
    vfs: Arc<Vfs>,
    incarnation: Arc<Incarnation>,
    /// `None` for a temporary file, which has no name.
    name: Option<String>,
    file: FileRef,
    lock: Level,
    shm: Option<Arc<Mutex<Shm>>>,
    shm_held: Held,
    /// Whether the next sync is to sync the directory too.
    sync_directory: bool,
    delete_on_close: bool,
    /// Places that were read while note was taken, each once.
    read: Vec<Range<usize>>,
}

impl Handle {
    /// Opens `name`, creating it if `flags` say so.
    pub(super) fn open(
        vfs: Arc<Vfs>,
        incarnation: Arc<Incarnation>,
        name: Option<String>,
        flags: i32,
    ) -> Answer<Self> {
        let has = |flag| flags & flag != 0;
        let file = incarnation.operate(ffi::SQLITE_IOERR, |state| match &name {
            None => Ok(FileRef::default()),
            Some(name) => find_or_create(state, name, flags).ok_or(ffi::SQLITE_CANTOPEN),
        })?;
        // As in SQLite's own Unix VFS: whoever may have created a journal syncs the directory with
        // the first sync, or a power loss would take the journal, and what it proves, away.
        let is_journal = has(ffi::SQLITE_OPEN_MAIN_JOURNAL)
            || has(ffi::SQLITE_OPEN_SUPER_JOURNAL)
            || has(ffi::SQLITE_OPEN_WAL);
        Ok(Self {
            vfs,
            incarnation,
            name,
            file,
            lock: Level::Unlocked,
            shm: None,
            shm_held: Held::default(),
            sync_directory: is_journal && has(ffi::SQLITE_OPEN_CREATE),
            delete_on_close: has(ffi::SQLITE_OPEN_DELETEONCLOSE),
            read: Vec::new(),
        })
    }

    /// Returns what SQLite is told of an operation on this file.
    pub(super) fn conclude(&self, code: c_int, done: Caught) -> c_int {
        self.vfs.conclude(&self.incarnation, code, done)
    }

    /// Releases everything. On a dead handle this touches nothing but memory.
    pub(super) fn close(&mut self) -> Answer<()> {
        self.unmap_shm();
        let Self { incarnation, name, file, lock: held, delete_on_close, .. } = self;
        incarnation.operate(ffi::SQLITE_IOERR_CLOSE, |state| {
            lock(file).locking.locks(incarnation.epoch()).lower(held, Level::Unlocked);
            if let (true, Some(name)) = (*delete_on_close, name) {
                state.directory.remove(name);
            }
            Ok(())
        })
    }

    /// Fills `out`, which is zeroed, from `offset`; fails if the file has less.
    pub(super) fn read(&mut self, offset: i64, out: &mut [u8]) -> Answer<()> {
        self.incarnation.operate(ffi::SQLITE_IOERR_READ, |state| {
            state.stats.reads += 1;
            state.may_fail(|it| it.eio_read, ffi::SQLITE_IOERR_READ)?;
            let offset = usize::try_from(offset).map_err(|_| ffi::SQLITE_IOERR_READ)?;
            if lock(&self.file).read(offset, out) < out.len() {
                return Err(ffi::SQLITE_IOERR_SHORT_READ);
            }
            let place = offset..offset + out.len();
            if self.vfs.notes_reads() && !self.read.contains(&place) {
                self.read.push(place);
            }
            Ok(())
        })
    }

    pub(super) fn write(&mut self, offset: i64, bytes: &[u8]) -> Answer<()> {
        self.incarnation.change(ffi::SQLITE_IOERR_WRITE, |state| {
            state.stats.writes += 1;
            state.take_time(|it| it.write_time);
            state.may_fail(|it| it.eio_write, ffi::SQLITE_IOERR_WRITE)?;
            let offset = usize::try_from(offset).map_err(|_| ffi::SQLITE_IOERR_WRITE)?;
            let end = offset.saturating_add(bytes.len());
            if end > FILE_BYTES_MAX {
                return Err(ffi::SQLITE_FULL);
            }
            state.make_room(&self.file, end)?;
            lock(&self.file).write(offset, bytes);
            if let (true, Some(name)) = (state.watches_writes, &self.name) {
                let (file, bytes) = (name.clone(), bytes.len() as u64);
                state.notices.push(Notice::Wrote { file, bytes });
            }
            Ok(())
        })
    }

    pub(super) fn truncate(&mut self, len: i64) -> Answer<()> {
        self.incarnation.change(ffi::SQLITE_IOERR_TRUNCATE, |state| {
            let len = usize::try_from(len).map_err(|_| ffi::SQLITE_IOERR_TRUNCATE)?;
            if len > FILE_BYTES_MAX {
                return Err(ffi::SQLITE_FULL);
            }
            state.make_room(&self.file, len)?;
            lock(&self.file).truncate(len);
            Ok(())
        })
    }

    /// Makes the file durable. A sync that fails leaves everything as unsynced as it was, and the
    /// next one covers it (kernels that drop the pages of a failed sync are not modeled).
    pub(super) fn sync(&mut self) -> Answer<()> {
        let Self { incarnation, name, file, sync_directory, .. } = self;
        incarnation.change(ffi::SQLITE_IOERR_FSYNC, |state| {
            state.stats.syncs += 1;
            state.take_time(|it| it.sync_time);
            state.may_fail(|it| it.eio_sync, ffi::SQLITE_IOERR_FSYNC)?;
            if state.lies() {
                return Ok(());
            }
            let bytes = lock(file).sync() as u64;
            let Some(name) = name else { return Ok(()) };
            if std::mem::take(sync_directory) {
                state.directory.sync();
            }
            state.notices.push(Notice::Synced { file: name.clone(), bytes });
            Ok(())
        })
    }

    pub(super) fn len(&self) -> Answer<i64> {
        self.incarnation.operate(ffi::SQLITE_IOERR_FSTAT, |_| {
            i64::try_from(lock(&self.file).len()).map_err(|_| ffi::SQLITE_IOERR_FSTAT)
        })
    }

    pub(super) fn lock(&mut self, wanted: Level) -> Answer<()> {
        let Self { incarnation, file, lock: held, .. } = self;
        incarnation.operate(ffi::SQLITE_IOERR_LOCK, |_| {
            let free = lock(file).locking.locks(incarnation.epoch()).raise(held, wanted);
            if free { Ok(()) } else { Err(ffi::SQLITE_BUSY) }
        })
    }

    pub(super) fn unlock(&mut self, wanted: Level) -> Answer<()> {
        let Self { incarnation, file, lock: held, .. } = self;
        incarnation.operate(ffi::SQLITE_IOERR_UNLOCK, |_| {
            lock(file).locking.locks(incarnation.epoch()).lower(held, wanted);
            Ok(())
        })
    }

    pub(super) fn is_reserved(&self) -> Answer<bool> {
        self.incarnation.operate(ffi::SQLITE_IOERR_CHECKRESERVEDLOCK, |_| {
            Ok(lock(&self.file).locking.locks(self.incarnation.epoch()).is_reserved())
        })
    }

    /// Returns where region `index` of the log's index lies, if there is one. It stays there until
    /// [`Self::unmap_shm`], even when this handle is dead by then: SQLite reads it without asking.
    pub(super) fn map_shm(
        &mut self,
        index: usize,
        size: usize,
        extend: bool,
    ) -> Answer<Option<*mut c_void>> {
        let Self { incarnation, file, shm, .. } = self;
        incarnation.operate(ffi::SQLITE_IOERR_SHMMAP, |_| {
            let shm = shm.get_or_insert_with(|| lock(file).locking.shm(incarnation.epoch()));
            Ok(lock(shm).region(index, size, extend))
        })
    }

    /// Takes or releases locks of the log's index, as `flags` say.
    pub(super) fn lock_shm(&mut self, slots: Range<usize>, flags: i32) -> Answer<()> {
        let Self { incarnation, shm, shm_held: held, .. } = self;
        incarnation.operate(ffi::SQLITE_IOERR_SHMLOCK, |_| {
            let Some(shm) = shm.as_ref().filter(|_| slots.end <= SLOTS) else {
                return Err(ffi::SQLITE_IOERR_SHMLOCK);
            };
            let mut shm = lock(shm);
            let free = if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
                shm.release(held, slots);
                true
            } else if flags & ffi::SQLITE_SHM_SHARED != 0 {
                shm.share(held, slots)
            } else {
                shm.exclude(held, slots)
            };
            if free { Ok(()) } else { Err(ffi::SQLITE_BUSY) }
        })
    }

    /// Lets go of the log's index, which vanishes with the last handle that holds it. An index of
    /// a dead incarnation is shared with dead handles only.
    pub(super) fn unmap_shm(&mut self) {
        if let Some(shm) = self.shm.take() {
            lock(&shm).release(&mut self.shm_held, 0..SLOTS);
        }
    }
}

/// The same file object of SQLite, on another disk.
impl Handle {
    /// Returns whether this is a file of `vfs`.
    pub(super) fn is_of(&self, vfs: &Arc<Vfs>) -> bool {
        Arc::ptr_eq(&self.vfs, vfs)
    }

    /// Returns what the index of the log holds, if this is a database that is open and idle, and
    /// that no other handle shares.
    pub(super) fn idle_index(&self) -> Option<Vec<Vec<u64>>> {
        let shm = self.shm.as_ref().filter(|shm| Arc::strong_count(shm) == 1)?;
        let is_idle = self.lock == Level::Shared && self.shm_held.is_empty();
        let is_kept = !self.delete_on_close && !self.sync_directory;
        (is_idle && is_kept).then(|| lock(shm).regions())
    }

    /// Returns which places of the file were read while its VFS took note.
    pub(super) fn take_read(&mut self) -> Vec<Range<usize>> {
        std::mem::take(&mut self.read)
    }

    /// Returns whether this is a log to which nothing was written yet.
    pub(super) fn is_new_log(&self) -> bool {
        let is_empty = lock(&self.file).len() == 0;
        is_empty && self.lock == Level::Unlocked && self.shm.is_none() && self.sync_directory
    }

    /// Makes an idle database the file `file` of `incarnation`, as if it had just been opened and
    /// the index of its log held `index`.
    pub(super) fn open_again(
        &mut self,
        incarnation: &Arc<Incarnation>,
        file: FileRef,
        index: &[Vec<u64>],
    ) {
        let epoch = incarnation.epoch();
        self.lock = Level::Unlocked;
        {
            let locking = &mut lock(&file).locking;
            locking.locks(epoch).raise(&mut self.lock, Level::Shared);
            if let Some(shm) = &self.shm {
                lock(shm).reset(index);
                locking.share(epoch, shm);
            }
        }
        self.move_to(incarnation, file);
    }

    /// Makes a log the file `file` of `incarnation`, as if it had just been opened.
    pub(super) fn open_log_again(&mut self, incarnation: &Arc<Incarnation>, file: FileRef) {
        self.sync_directory = true;
        self.move_to(incarnation, file);
    }

    /// Makes this the file `file` of `incarnation`; returns the one that it was.
    pub(super) fn move_to(&mut self, incarnation: &Arc<Incarnation>, file: FileRef) -> FileRef {
        self.incarnation = Arc::clone(incarnation);
        std::mem::replace(&mut self.file, file)
    }
}

fn find_or_create(state: &mut VolumeState, name: &str, flags: i32) -> Option<FileRef> {
    let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
    let exclusive = flags & ffi::SQLITE_OPEN_EXCLUSIVE != 0;
    match state.directory.get(name) {
        Some(_) if create && exclusive => None,
        None if !create => None,
        _ => Some(state.directory.find_or_create(name)),
    }
}

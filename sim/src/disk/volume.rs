//! A whole disk under one lock: its files, its incarnation, how it dies, and what it reports.

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use journal::random::stream;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha12Rng;
use transport::host::Clock;

use super::{
    DiskFaults, DiskObserver, DiskStats, FileSummary,
    directory::{Directory, FileRef},
    faults::Trouble,
    file::{File, SECTOR},
    pages::Pages,
};

/// What an operation returns: its value, or SQLite's result code.
pub(super) type Answer<T> = Result<T, i32>;

/// Chances that one unsynced change outlives a power loss; each power loss draws one of them. One
/// half alone would tear everything and almost never keep a whole commit that was not synced, nor
/// lose one whole.
const KEEP_CHANCES: [f64; 5] = [0.0, 0.1, 0.5, 0.9, 1.0];

/// The number of the one fault of a disk outside any world.
const UNNUMBERED: u64 = 0;

/// Something to tell the observer once the lock is released.
pub(super) enum Notice {
    Synced { file: String, bytes: u64 },
    Wrote { file: String, bytes: u64 },
    Injected(u64),
    Died(Vec<u64>),
}

/// What the lock protects.
pub(super) struct VolumeState {
    /// The incarnation that may use the disk; every earlier one is dead.
    epoch: u64,
    pub(super) directory: Directory,
    pub(super) trouble: Trouble,
    pub(super) stats: DiskStats,
    /// Time for which the disk was busy and nobody has waited for it yet.
    pub(super) busy: Duration,
    pub(super) notices: Vec<Notice>,
    /// Whether something was ever the matter with the disk.
    pub(super) was_troubled: bool,
    /// Whether the observer is told of writes.
    pub(super) watches_writes: bool,
    fate: ChaCha12Rng,
    tears: ChaCha12Rng,
    rot: ChaCha12Rng,
    entropy: ChaCha12Rng,
}

/// A disk. Lock order: the state, then one file.
pub(super) struct Volume {
    state: Mutex<VolumeState>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn DiskObserver>,
    /// A panic caught where SQLite called us; it resumes where SQLite has returned.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Volume {
    pub(super) fn new(
        seed: u64,
        name: &str,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn DiskObserver>,
    ) -> Self {
        let state = VolumeState {
            epoch: 0,
            directory: Directory::default(),
            trouble: Trouble::new(stream(seed, &format!("disk faults {name}"))),
            stats: DiskStats::default(),
            busy: Duration::ZERO,
            notices: Vec::new(),
            was_troubled: false,
            watches_writes: false,
            fate: stream(seed, &format!("disk {name}")),
            tears: stream(seed, &format!("disk tears {name}")),
            rot: stream(seed, &format!("disk rot {name}")),
            entropy: stream(seed, &format!("disk entropy {name}")),
        };
        Self { state: Mutex::new(state), clock, observer, panic: Mutex::default() }
    }

    /// Runs `op` for incarnation `epoch`, or fails with `code` if that is dead. Then tells the
    /// observer with no lock of ours held, because it takes locks that others hold while they call
    /// us.
    pub(super) fn operate<T>(
        &self,
        epoch: u64,
        code: i32,
        op: impl FnOnce(&mut VolumeState) -> Answer<T>,
    ) -> Answer<T> {
        let (answer, notices) = {
            let mut state = lock(&self.state);
            if state.epoch != epoch {
                state.stats.refused += 1;
                return Err(code);
            }
            let answer = op(&mut state);
            (answer, std::mem::take(&mut state.notices))
        };
        for notice in notices {
            match notice {
                Notice::Synced { file, bytes } => self.observer.synced(&file, bytes),
                Notice::Wrote { file, bytes } => self.observer.wrote(&file, bytes),
                Notice::Injected(fault) => self.observer.injected(fault),
                Notice::Died(faults) => self.observer.died(&faults),
            }
        }
        answer
    }

    /// Like [`Self::operate`], for an operation that changes the disk: one that was done counts
    /// toward [`DiskFaults::die_after`].
    pub(super) fn change<T>(
        &self,
        epoch: u64,
        code: i32,
        op: impl FnOnce(&mut VolumeState) -> Answer<T>,
    ) -> Answer<T> {
        self.operate(epoch, code, |state| {
            if state.dies() {
                return Err(code);
            }
            let value = op(state)?;
            state.count_down();
            Ok(value)
        })
    }

    pub(super) fn epoch(&self) -> u64 {
        lock(&self.state).epoch
    }

    /// Returns the database `file`, if it is there and not open, and nothing was ever the matter with
    /// the disk.
    pub(super) fn sound(&self, epoch: u64, file: &str) -> Option<FileRef> {
        let state = lock(&self.state);
        let database = state.directory.get(file)?;
        let is_closed = |file: &mut File| file.len() > 0 && file.locking.is_free(epoch);
        let is_sound = state.epoch == epoch && !state.was_troubled;
        (is_sound && is_closed(&mut lock(database))).then(|| Arc::clone(database))
    }

    /// Returns what `file` holds, if it is a database as an installation left it: durable, not open,
    /// and with no log or journal beside it; and nothing was ever the matter with the disk.
    pub(super) fn untouched(&self, epoch: u64, file: &str) -> Option<Pages> {
        let state = lock(&self.state);
        if state.epoch != epoch || state.was_troubled {
            return None;
        }
        let is_beside = |name: &str| name.strip_prefix(file).is_some_and(|rest| !rest.is_empty());
        if state.directory.iter().any(|(name, _)| is_beside(name)) {
            return None;
        }
        let mut database = lock(state.directory.get(file)?);
        let is_untouched = database.len() > 0 && database.is_at_rest(epoch);
        is_untouched.then(|| database.pages().clone())
    }

    /// Returns whether something was ever the matter with the disk.
    pub(super) fn was_troubled(&self) -> bool {
        lock(&self.state).was_troubled
    }

    pub(super) fn kill(&self) {
        lock(&self.state).end_incarnation();
    }

    pub(super) fn power_loss(&self) {
        self.lose_power(&KEEP_CHANCES, |_| SECTOR);
    }

    pub(super) fn power_loss_torn(&self) {
        self.lose_power(&KEEP_CHANCES, |tears| tears.random_range(1..=SECTOR));
    }

    pub(super) fn power_loss_of_all(&self) {
        self.lose_power(&[0.0], |_| SECTOR);
    }

    /// Loses power; an unsynced change is kept with one of `chances`, and of each sector that is
    /// kept, as many bytes are new as `written` says.
    fn lose_power(&self, chances: &[f64], written: impl Fn(&mut ChaCha12Rng) -> usize) {
        let mut state = lock(&self.state);
        state.end_incarnation();
        let VolumeState { directory, fate, tears, stats, .. } = &mut *state;
        let chance = chances[fate.random_range(0..chances.len())];
        let keep = &mut || fate.random_bool(chance);
        let sectors = directory.lose_power(keep, &mut || written(tears));
        stats.kept += sectors.kept;
        stats.reverted += sectors.reverted;
    }

    pub(super) fn rot(&self, bits: u32) -> u32 {
        let mut state = lock(&self.state);
        state.was_troubled = true;
        let VolumeState { directory, rot, .. } = &mut *state;
        let flip = |_: &u32| directory.flip_bit(rot);
        u32::try_from((0..bits).filter(flip).count()).unwrap_or(bits)
    }

    /// Returns whether the machine must not be scheduled.
    pub(super) fn is_held(&self) -> bool {
        self.observer.holds()
    }

    pub(super) fn watch_writes(&self, watch: bool) {
        lock(&self.state).watches_writes = watch;
    }

    pub(super) fn add_fault(&self, fault: u64, faults: DiskFaults) {
        let mut state = lock(&self.state);
        state.was_troubled = true;
        state.trouble.add(fault, faults);
    }

    pub(super) fn remove_fault(&self, fault: u64) {
        lock(&self.state).trouble.remove(fault);
    }

    pub(super) fn set_faults(&self, faults: DiskFaults) {
        let mut state = lock(&self.state);
        state.was_troubled = true;
        state.trouble.clear();
        state.trouble.add(UNNUMBERED, faults);
    }

    pub(super) fn snapshot(&self) -> BTreeMap<String, Pages> {
        let state = lock(&self.state);
        let files = state.directory.iter();
        files.map(|(name, file)| (name.clone(), lock(file).pages().clone())).collect()
    }

    pub(super) fn restore(&self, files: &BTreeMap<String, Pages>) {
        let mut state = lock(&self.state);
        state.end_incarnation();
        state.directory = files.iter().map(|(name, pages)| (name.clone(), pages.clone())).collect();
    }

    pub(super) fn files(&self) -> Vec<FileSummary> {
        let state = lock(&self.state);
        let summary = |(name, file): (&String, &FileRef)| {
            let file = lock(file);
            FileSummary {
                name: name.clone(),
                len: file.len() as u64,
                unsynced_sectors: file.unsynced_sectors() as u64,
            }
        };
        state.directory.iter().map(summary).collect()
    }

    pub(super) fn stats(&self) -> DiskStats {
        lock(&self.state).stats
    }

    /// Has so many reads been attempted.
    pub(super) fn count_reads(&self, reads: u64) {
        lock(&self.state).stats.reads = reads;
    }

    /// Charges time that SQLite wanted to sleep, and would have slept while holding up the machine.
    pub(super) fn add_busy(&self, time: Duration) {
        let mut state = lock(&self.state);
        state.busy = state.busy.saturating_add(time);
    }

    /// Takes the whole milliseconds that the disk was busy; a remainder waits for more, because
    /// simulated timers count in milliseconds.
    pub(super) fn take_busy(&self) -> Duration {
        let mut state = lock(&self.state);
        let whole = u64::try_from(state.busy.as_millis()).unwrap_or(u64::MAX);
        let whole = Duration::from_millis(whole);
        state.busy = state.busy.saturating_sub(whole);
        whole
    }

    pub(super) fn fill_random(&self, out: &mut [u8]) {
        lock(&self.state).entropy.fill_bytes(out);
    }

    /// Returns the machine's wall clock, in milliseconds since 1970; negative before.
    pub(super) fn unix_millis(&self) -> i64 {
        let now = self.clock.now();
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        match now.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => millis(since),
            Err(before) => -millis(before.duration()),
        }
    }

    pub(super) fn keep_panic(&self, panic: Box<dyn Any + Send>) {
        *lock(&self.panic) = Some(panic);
    }

    /// Resumes a panic that was caught below SQLite, if there was one.
    pub(super) fn resume_panic(&self) {
        let panic = lock(&self.panic).take();
        if let Some(panic) = panic {
            std::panic::resume_unwind(panic);
        }
    }
}

impl VolumeState {
    /// Handles of the incarnation are dead from here on.
    fn end_incarnation(&mut self) {
        self.epoch += 1;
        self.busy = Duration::ZERO;
    }

    fn count_down(&mut self) {
        if self.trouble.count_down() {
            self.dies();
        }
    }

    /// Dies if a fault says so, at this very operation, so that no later one of the same job takes
    /// effect.
    fn dies(&mut self) -> bool {
        let faults = self.trouble.take_deadly();
        let dies = !faults.is_empty();
        if dies {
            self.end_incarnation();
            self.notices.push(Notice::Died(faults));
        }
        dies
    }
}

/// Locks `mutex`. A panic while it was held has been reported already; the disk goes on as it is.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

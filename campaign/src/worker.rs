//! The threads of a process that work for a campaign, and one beside them that gives signs of life,
//! learns what others wrote down, and sees when everything is to end.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use explore::Subject;

use crate::{
    block::Present,
    clock,
    desk::Desk,
    feeder,
    key::Key,
    now_ms,
    plan::{Plan, VERSION},
    queue::{Lease, Trouble, Wanted},
    work::{Claim, Did, Hand},
};

pub use crate::work::MOST_DEATHS;

/// How often it is looked what others wrote down.
const TICK: Duration = Duration::from_secs(1);
/// How often a worker tells of itself, in milliseconds.
const PRESENCE_MS: u64 = 5_000;
/// How long a single run may take until its item is refused and the process ends, in milliseconds.
const LONGEST_RUN_MS: u64 = 300_000;
/// How long a thread that left an urgent item to others looks for none, in milliseconds. Two that look
/// at one pace would otherwise have the same one come first each time, and that may be the one that
/// leaves it.
const AWAY_MS: u64 = 2_000;
/// How often it is looked whether the last items are done, once everything is to end.
const BRIEFLY: Duration = Duration::from_millis(50);

/// Told of what is new, now and then, on a thread of its own. Nobody holds the picture meanwhile: what
/// shows or writes takes out of it what it needs, and lets it go before it does so.
pub type Watch<'w> = &'w (dyn Fn(&Desk<'_>, &[Key]) + Sync);

/// Told that a run does not end. No thread can be made to, so this ends the process; whoever comes back
/// from it goes on to wait for that run.
pub type Stuck<'w> = &'w (dyn Fn(&Trouble) + Sync);

/// A process that works for a campaign.
pub struct Worker<'w> {
    /// The campaign.
    pub desk: &'w Desk<'w>,
    /// What is played.
    pub subject: Subject,
    /// The name of the process, which no other one has.
    pub name: String,
    /// The build of the process.
    pub build: String,
    /// How many blocks go on at once.
    pub threads: usize,
    /// Ends the work when it is set.
    pub stop: &'w AtomicBool,
    /// Who is told of what is new.
    pub watch: Watch<'w>,
    /// What ends the process if a run does not end.
    pub stuck: Stuck<'w>,
}

/// Leases by their token, and when each was last seen to go on.
type Leases = BTreeMap<u64, (Lease, Arc<AtomicU64>)>;

/// What the threads of a worker share.
#[derive(Default)]
struct Shared {
    /// What is being done, and when it was last seen to go on. All times are of [`clock`].
    leases: Mutex<Leases>,
    /// When something was done, or offered again.
    busy_ms: AtomicU64,
    /// Only one thread decides what comes next.
    feeding: Mutex<()>,
    trouble: Mutex<Option<Trouble>>,
}

impl Shared {
    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what is done from now on. Returns false if another thread is at it: the queue has
    /// heard of that one too late.
    fn hold(&self, lease: &Lease, seen: &Arc<AtomicU64>) -> bool {
        let mut leases = self.leases();
        if leases.values().any(|(held, _)| held.item == lease.item) {
            return false;
        }
        leases.insert(lease.token, (lease.clone(), Arc::clone(seen)));
        true
    }

    /// Returns the items that are being done, and whether each goes on: a run may take so long.
    fn held(&self, now: u64) -> Vec<(Lease, bool)> {
        let goes_on =
            |seen: &AtomicU64| now < seen.load(Ordering::Relaxed).saturating_add(LONGEST_RUN_MS);
        self.leases().values().map(|(lease, seen)| (lease.clone(), goes_on(seen))).collect()
    }
}

impl Worker<'_> {
    /// Works until the campaign is finished or stopped, or `stop` is set.
    ///
    /// # Errors
    /// The campaign is not for this build, the queue is in trouble, or no thread could be begun. What
    /// was being done is left to others.
    pub fn work(&self) -> Result<(), Trouble> {
        self.desk.look()?;
        let plan = self.plan()?;
        self.present(false)?;
        let over = AtomicBool::new(false);
        let shared = Shared { busy_ms: AtomicU64::new(clock::ms()), ..Shared::default() };
        let began = thread::scope(|scope| -> io::Result<()> {
            let attend = || {
                guarded(&shared, &over, || self.attend(&shared, &over));
                self.see_off(&shared);
            };
            thread::Builder::new().spawn_scoped(scope, attend)?;
            for number in 1..=self.threads.max(1) {
                let (plan, shared, over) = (&plan, &shared, &over);
                let hand = move || {
                    guarded(shared, over, || self.hand(number, plan, shared, over));
                };
                thread::Builder::new().spawn_scoped(scope, hand)?;
            }
            Ok(())
        });
        began.map_err(|error| Trouble::new(format!("cannot begin a thread: {error}")))?;
        let trouble = shared.trouble.into_inner().unwrap_or_else(PoisonError::into_inner);
        let left = self.present(true);
        trouble.map_or(left, Err)
    }

    /// Returns the campaign, if it is one that this build works for.
    fn plan(&self) -> Result<Plan, Trouble> {
        let plan = self.desk.picture().plan.clone();
        let plan =
            plan.ok_or_else(|| Trouble::new("this campaign has no plan that can be read"))?;
        if plan.version != VERSION {
            let message = format!("this campaign was written by version {} of it", plan.version);
            return Err(Trouble::new(message));
        }
        if plan.build != self.build {
            let message = format!(
                "the campaign {} is for build {}, and this is build {}: two builds may play the same \
                 scenario differently\ngive every machine the same program file",
                plan.id, plan.build, self.build
            );
            return Err(Trouble::new(message));
        }
        Ok(plan)
    }

    /// Tells of this worker.
    fn present(&self, left: bool) -> Result<(), Trouble> {
        let now = now_ms();
        let key = Key::Worker(self.name.clone());
        let known = self.desk.picture().workers.get(&self.name).map(|it| it.began_ms);
        let present = Present {
            build: self.build.clone(),
            threads: self.threads as u64,
            began_ms: known.unwrap_or(now),
            at_ms: now,
            left,
        };
        self.desk.replace(&key, &present)
    }

    /// What the thread beside the working ones does.
    fn attend(&self, shared: &Shared, over: &AtomicBool) -> Result<(), Trouble> {
        let (mut told_ms, mut beaten_ms) = (clock::ms(), clock::ms());
        let lease_ms = u64::try_from(self.desk.queue.lease_time().as_millis()).unwrap_or(u64::MAX);
        while !over.load(Ordering::Relaxed) {
            let new = self.desk.look()?;
            (self.watch)(self.desk, &new);
            let (is_over, enough) = {
                let picture = self.desk.picture();
                let is_over = picture.stopped.is_some() || picture.is_finished();
                (is_over, picture.enough().filter(|_| !is_over))
            };
            if let Some(state) = &enough {
                self.desk.replace(&Key::State, state)?;
            }
            if is_over || enough.is_some() || self.stop.load(Ordering::Relaxed) {
                over.store(true, Ordering::Relaxed);
            }
            let now = clock::ms();
            if now >= beaten_ms + lease_ms / 3 {
                beaten_ms = now;
                self.beat(shared, now)?;
            }
            if now >= told_ms + PRESENCE_MS {
                told_ms = now;
                self.present(false)?;
            }
            if now >= shared.busy_ms.load(Ordering::Relaxed) + lease_ms {
                shared.busy_ms.store(now, Ordering::Relaxed);
                self.offer_again()?;
            }
            thread::park_timeout(TICK.min(self.desk.queue.lease_time() / 4));
        }
        Ok(())
    }

    fn beat(&self, shared: &Shared, now: u64) -> Result<(), Trouble> {
        self.end_if_stuck(shared, now);
        let held = shared.held(now);
        let mut going = held.iter().filter(|(_, goes_on)| *goes_on);
        going.try_for_each(|(lease, _)| self.desk.queue.beat(lease))
    }

    /// Waits until the last items are done, and for none of them longer than a run may take.
    fn see_off(&self, shared: &Shared) {
        while !shared.leases().is_empty() {
            self.end_if_stuck(shared, clock::ms());
            thread::park_timeout(BRIEFLY);
        }
    }

    /// Ends the process if a run does not end: the thread that plays it cannot be ended by itself. That
    /// is written down as far as the queue still hears it, and counts as a death does.
    fn end_if_stuck(&self, shared: &Shared, now: u64) {
        let held = shared.held(now);
        let stuck: Vec<&Lease> =
            held.iter().filter(|(_, goes_on)| !goes_on).map(|(lease, _)| lease).collect();
        let Some(first) = stuck.first() else { return };
        let minutes = LONGEST_RUN_MS / 60_000;
        let trouble = Trouble::of_item(format!("a run took {minutes} minutes"));
        for lease in &stuck {
            let claim = Claim { desk: self.desk, process: &self.name, item: &lease.item };
            let _refused = claim.refuse(&trouble);
        }
        (self.stuck)(&Trouble::new(format!(
            "a run of {} took {minutes} minutes, and nothing but the end of this process ends it\nwhat \
             else was being done is not lost: start the worker again",
            first.item
        )));
    }

    /// Offers what is to be done and may have been lost when somebody died between deciding and
    /// offering it.
    fn offer_again(&self) -> Result<(), Trouble> {
        let open = self.desk.picture().open();
        open.iter().try_for_each(|item| self.desk.queue.offer(item))
    }

    /// What a working thread does.
    fn hand(
        &self,
        number: usize,
        plan: &Plan,
        shared: &Shared,
        over: &AtomicBool,
    ) -> Result<(), Trouble> {
        let seen = Arc::new(AtomicU64::new(0));
        let subject = seen_by(&self.subject, &seen);
        let hand = Hand {
            desk: self.desk,
            plan,
            subject: &subject,
            name: format!("{}_{number}", self.name),
            process: &self.name,
            build: &self.build,
            over,
            seen: &seen,
        };
        let mut away_until_ms = 0;
        while !over.load(Ordering::Relaxed) {
            if let Ok(_feeding) = shared.feeding.try_lock() {
                feeder::feed(self.desk)?;
            }
            let now = clock::ms();
            let wanted = if now < away_until_ms { Wanted::NotUrgent } else { Wanted::Any };
            let Some(lease) = self.desk.queue.lease(wanted)? else { continue };
            seen.store(clock::ms(), Ordering::Relaxed);
            if !shared.hold(&lease, &seen) {
                self.desk.queue.give_back(lease)?;
                continue;
            }
            let (token, is_urgent) = (lease.token, lease.item.is_urgent());
            let done = hand.work(lease);
            shared.leases().remove(&token);
            // What comes again and again and is never done must not hide that something was lost.
            match done? {
                Did::All => shared.busy_ms.store(clock::ms(), Ordering::Relaxed),
                Did::Nothing if is_urgent => away_until_ms = clock::ms() + AWAY_MS,
                Did::Nothing => {}
            }
        }
        Ok(())
    }
}

/// Does something; what goes wrong ends the work of all threads.
fn guarded(shared: &Shared, over: &AtomicBool, act: impl FnOnce() -> Result<(), Trouble>) {
    let done = explore::trial::caught(act);
    let trouble = match done {
        Ok(Ok(())) => return,
        Ok(Err(trouble)) => trouble,
        Err(panicked) => Trouble::new(panicked),
    };
    over.store(true, Ordering::Relaxed);
    let mut first = shared.trouble.lock().unwrap_or_else(PoisonError::into_inner);
    first.get_or_insert(trouble);
}

/// Returns the same subject, each run of which is a sign that the work goes on.
fn seen_by(subject: &Subject, seen: &Arc<AtomicU64>) -> Subject {
    let (found, seen) = (Arc::clone(&subject.found), Arc::clone(seen));
    let found = move || {
        seen.store(clock::ms(), Ordering::Relaxed);
        found()
    };
    Subject { found: Arc::new(found), ..subject.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{folder::Folder, key::Item};

    #[test]
    fn an_item_is_done_by_one_thread_of_a_process_at_a_time() {
        let (shared, seen) = (Shared::default(), Arc::default());
        let lease = |token| Lease { item: Item::Block(1), token };
        assert!(shared.hold(&lease(1), &seen));
        assert!(!shared.hold(&lease(2), &seen));
        shared.leases().remove(&1);
        assert!(shared.hold(&lease(3), &seen));
    }

    #[test]
    fn a_run_that_does_not_end_ends_the_process_and_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let queue = Folder::create(folder.path(), Duration::from_secs(2)).expect("made");
        let (desk, told) = (Desk::new(&queue), Mutex::new(Vec::new()));
        let worker = Worker {
            desk: &desk,
            subject: Subject::homeservers(),
            name: "w".to_owned(),
            build: "b".to_owned(),
            threads: 1,
            stop: &AtomicBool::new(false),
            watch: &|_, _| {},
            stuck: &|trouble| told.lock().expect("nobody panics").push(trouble.to_string()),
        };
        let (shared, seen) = (Shared::default(), Arc::new(AtomicU64::new(1)));
        shared.hold(&Lease { item: Item::Block(7), token: 1 }, &seen);
        worker.beat(&shared, LONGEST_RUN_MS).expect("beaten");
        assert_eq!(told.lock().expect("nobody panics").len(), 0);
        worker.beat(&shared, LONGEST_RUN_MS + 1).expect("beaten");
        assert!(told.lock().expect("nobody panics")[0].contains("a run of block-7 took 5 minutes"));
        let begun = desk.queue.read(&Key::Begun(Item::Block(7))).expect("read").expect("written");
        assert!(String::from_utf8_lossy(&begun).contains("a run took 5 minutes"));
    }
}

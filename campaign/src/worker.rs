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
    queue::{Lease, Trouble},
    work::Hand,
};

pub use crate::work::MOST_DEATHS;

/// How often it is looked what others wrote down.
const TICK: Duration = Duration::from_secs(1);
/// How often a worker tells of itself, in milliseconds.
const PRESENCE_MS: u64 = 5_000;
/// How long a single run may take until no sign of life is given any more, in milliseconds.
const LONGEST_RUN_MS: u64 = 300_000;

/// Told of what is new, now and then, on a thread of its own. Nobody holds the picture meanwhile: what
/// shows or writes takes out of it what it needs, and lets it go before it does so.
pub type Watch<'w> = &'w (dyn Fn(&Desk<'_>, &[Key]) + Sync);

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
}

/// Leases by their token, and when each was last seen to go on.
type Leases = BTreeMap<u64, (Lease, Arc<AtomicU64>)>;

/// What the threads of a worker share.
#[derive(Default)]
struct Shared {
    /// What is being done, and when it was last seen to go on. All times are of [`clock`].
    leases: Mutex<Leases>,
    /// When somebody had something to do.
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
            let attend = || guarded(&shared, &over, || self.attend(&shared, &over));
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
        let leases: Vec<_> = shared.leases().values().cloned().collect();
        let goes_on = |seen: &AtomicU64| now < seen.load(Ordering::Relaxed) + LONGEST_RUN_MS;
        leases
            .iter()
            .filter(|(_, seen)| goes_on(seen))
            .try_for_each(|(lease, _)| self.desk.queue.beat(lease))
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
        };
        while !over.load(Ordering::Relaxed) {
            if let Ok(_feeding) = shared.feeding.try_lock() {
                feeder::feed(self.desk)?;
            }
            let Some(lease) = self.desk.queue.lease()? else { continue };
            let now = clock::ms();
            shared.busy_ms.store(now, Ordering::Relaxed);
            seen.store(now, Ordering::Relaxed);
            if !shared.hold(&lease, &seen) {
                self.desk.queue.give_back(lease)?;
                continue;
            }
            let token = lease.token;
            let done = hand.work(lease);
            shared.leases().remove(&token);
            shared.busy_ms.store(clock::ms(), Ordering::Relaxed);
            done?;
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
    use crate::key::Item;

    #[test]
    fn an_item_is_done_by_one_thread_of_a_process_at_a_time() {
        let (shared, seen) = (Shared::default(), Arc::default());
        let lease = |token| Lease { item: Item::Block(1), token };
        assert!(shared.hold(&lease(1), &seen));
        assert!(!shared.hold(&lease(2), &seen));
        shared.leases().remove(&1);
        assert!(shared.hold(&lease(3), &seen));
    }
}

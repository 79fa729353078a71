//! Leases and claims, in any order of what workers do, of how they fall silent and of when they die, over
//! a folder, by a clock that is set: nothing is lost, nothing counts twice, and three deaths are enough.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Claim, Claimed};
use crate::{
    block::Ended,
    clock::Clock,
    desk::Desk,
    folder::Folder,
    key::Item,
    queue::{Kept, Lease, Queue, Trouble, Wanted},
    work::MOST_DEATHS,
};

const LEASE_MS: u64 = 1_000;
const ITEMS: u64 = 3;
const WORKERS: usize = 3;
/// More steps than it takes to do everything.
const MOST_STEPS: u32 = 200;

/// What happens next.
#[derive(Clone, Debug)]
enum Act {
    /// A worker goes on: it leases, claims, writes down, or says that it is done.
    GoOn(usize),
    Beat(usize),
    /// It dies between two steps; another one begins in its place.
    Kill(usize),
    /// It leaves what it began to others.
    Leave(usize),
    /// It cannot do what it began.
    Refuse(usize),
    /// It says once more that it is done, since the answer was lost.
    DoneAgain(usize),
    /// Somebody offers an item that was offered before.
    OfferAgain(u64),
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => (0..WORKERS).prop_map(Act::GoOn),
        2 => (0..WORKERS).prop_map(Act::Beat),
        4 => (0..WORKERS).prop_map(Act::Kill),
        1 => (0..WORKERS).prop_map(Act::Leave),
        1 => (0..WORKERS).prop_map(Act::Refuse),
        1 => (0..WORKERS).prop_map(Act::DoneAgain),
        1 => (0..ITEMS).prop_map(Act::OfferAgain),
        4 => (0..LEASE_MS * 3 / 2).prop_map(Act::Wait),
    ]
}

/// How far a worker is with an item.
#[derive(Clone, Debug)]
enum Step {
    Idle,
    Leased(Lease),
    Begun(Lease),
    Written(Lease),
}

/// A process.
struct Process {
    name: String,
    queue: Folder,
    step: Step,
    /// When it gave its last sign of life that counts: who has lost an item gives none.
    beat_ms: u64,
    has_lost: bool,
    /// What it was done with last.
    done: Option<Lease>,
}

impl Process {
    fn held(&self) -> Option<&Lease> {
        match &self.step {
            Step::Idle => None,
            Step::Leased(lease) | Step::Begun(lease) | Step::Written(lease) => Some(lease),
        }
    }
}

/// A folder, those who work in it, and what must be true of both.
struct World {
    folder: TempDir,
    now_ms: Arc<AtomicU64>,
    processes: Vec<Process>,
    /// How many processes there were.
    born: u64,
    /// Who began an item and did not leave it.
    begun: BTreeMap<Item, BTreeSet<String>>,
    refused: BTreeMap<Item, usize>,
    /// What was written down first.
    kept: BTreeMap<Item, Vec<u8>>,
}

impl World {
    fn new() -> Self {
        // What a loss of power leaves is no part of this, and memory is fast.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        let folder = folder.expect("a temporary folder");
        let lease = Duration::from_millis(LEASE_MS);
        let queue = Folder::create(folder.path(), lease).expect("made");
        (0..ITEMS).for_each(|number| queue.offer(&Item::Block(number)).expect("offered"));
        let mut world = Self {
            folder,
            now_ms: Arc::new(AtomicU64::new(1_000_000)),
            processes: Vec::new(),
            born: 0,
            begun: BTreeMap::new(),
            refused: BTreeMap::new(),
            kept: BTreeMap::new(),
        };
        world.processes = (0..WORKERS).map(|_| world.born()).collect();
        world
    }

    fn born(&mut self) -> Process {
        self.born += 1;
        let (lease, clock) =
            (Duration::from_millis(LEASE_MS), Clock::Set(Arc::clone(&self.now_ms)));
        Process {
            name: format!("p{}", self.born),
            queue: Folder::by(self.folder.path(), lease, clock).expect("it is there"),
            step: Step::Idle,
            beat_ms: 0,
            has_lost: false,
            done: None,
        }
    }

    fn now(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::GoOn(who) => self.go_on(who),
            Act::Beat(who) => {
                let now = self.now();
                let process = &mut self.processes[who];
                if let Some(lease) = process.held() {
                    process.queue.beat(lease).expect("beaten");
                    process.beat_ms = if process.has_lost { process.beat_ms } else { now };
                }
            }
            Act::Kill(who) => self.processes[who] = self.born(),
            Act::Leave(who) => self.leave(who, None),
            Act::Refuse(who) => self.leave(who, Some(&Trouble::of_item("it cannot be done"))),
            Act::DoneAgain(who) => {
                let process = &self.processes[who];
                if let Some(lease) = process.done.clone() {
                    process.queue.done(lease).expect("done");
                }
            }
            Act::OfferAgain(number) => {
                self.processes[0].queue.offer(&Item::Block(number)).expect("offered");
            }
            Act::Wait(ms) => {
                self.now_ms.fetch_add(ms, Ordering::Relaxed);
            }
        }
    }

    fn go_on(&mut self, who: usize) {
        match self.processes[who].step.clone() {
            Step::Idle => self.lease(who),
            Step::Leased(lease) => self.claim(who, lease),
            Step::Begun(lease) => {
                self.write_down(who, &lease);
                self.processes[who].step = Step::Written(lease);
            }
            Step::Written(lease) => self.done(who, lease),
        }
    }

    fn lease(&mut self, who: usize) {
        let leased = self.processes[who].queue.lease(Wanted::Any).expect("it answers");
        let Some(lease) = leased else { return };
        let now = self.now();
        for other in &mut self.processes {
            let is_held = other.held().is_some_and(|held| held.item == lease.item);
            assert!(
                !is_held || now - other.beat_ms >= LEASE_MS,
                "{} is taken from {}, who was heard of just now",
                lease.item,
                other.name
            );
            other.has_lost |= is_held;
        }
        let process = &mut self.processes[who];
        (process.step, process.beat_ms, process.has_lost) = (Step::Leased(lease), now, false);
    }

    fn claim(&mut self, who: usize, lease: Lease) {
        let Process { name, queue, .. } = &self.processes[who];
        let (item, desk) = (&lease.item, Desk::new(queue));
        let begun = self.begun.entry(item.clone()).or_default();
        let dead = begun.iter().filter(|it| *it != name).count();
        let failed = dead + self.refused.get(item).copied().unwrap_or_default();
        let is_over = self.kept.contains_key(item);
        let claim = Claim { desk: &desk, process: name, item };
        let claimed = claim.claim().expect("it answers");
        if !is_over && failed < MOST_DEATHS {
            assert_eq!(claimed, Claimed::Own, "{item} is to be done");
            begun.insert(name.clone());
            self.processes[who].step = Step::Begun(lease);
            return;
        }
        assert_eq!(claimed, Claimed::Over, "{item} is over, or {failed} failed at it");
        if !is_over {
            let body = queue.read(&item.done()).expect("read").expect("it is given up");
            let ended: Ended<String> = serde_json::from_slice(&body).expect("JSON");
            assert!(matches!(ended, Ended::Poison(_)), "{ended:?}");
            self.kept.insert(item.clone(), body);
        }
        self.done(who, lease);
    }

    fn write_down(&mut self, who: usize, lease: &Lease) {
        let Process { name, queue, .. } = &self.processes[who];
        let body = serde_json::to_vec(&Ended::Done(name)).expect("JSON");
        let kept = queue.keep(&lease.item.done(), &body).expect("kept");
        let was_kept = self.kept.contains_key(&lease.item);
        assert_eq!(kept, if was_kept { Kept::Before } else { Kept::Now }, "the first one counts");
        self.kept.entry(lease.item.clone()).or_insert(body);
    }

    fn done(&mut self, who: usize, lease: Lease) {
        let process = &mut self.processes[who];
        process.queue.done(lease.clone()).expect("done");
        (process.step, process.done) = (Step::Idle, Some(lease));
    }

    fn leave(&mut self, who: usize, trouble: Option<&Trouble>) {
        let Process { name, queue, step, .. } = &mut self.processes[who];
        let Step::Begun(lease) = step.clone() else { return };
        let desk = Desk::new(queue);
        let claim = Claim { desk: &desk, process: name, item: &lease.item };
        match trouble {
            None => claim.leave().expect("left"),
            Some(trouble) => {
                claim.refuse(trouble).expect("refused");
                *self.refused.entry(lease.item.clone()).or_default() += 1;
            }
        }
        self.begun.entry(lease.item.clone()).or_default().remove(name);
        queue.give_back(lease).expect("given back");
        *step = Step::Idle;
    }

    /// Has everybody die, and one who does not do the rest.
    fn end(&mut self) {
        self.processes = vec![self.born()];
        for _ in 0..MOST_STEPS {
            self.now_ms.fetch_add(LEASE_MS, Ordering::Relaxed);
            self.act(&Act::Beat(0));
            self.go_on(0);
        }
        assert!(self.processes[0].held().is_none(), "something is still there to do");
        for item in (0..ITEMS).map(Item::Block) {
            let body = self.processes[0].queue.read(&item.done()).expect("read");
            assert!(body.is_some(), "{item} was lost");
            assert_eq!(body.as_ref(), self.kept.get(&item), "what was first stays");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_dies_whenever_nothing_is_lost_and_nothing_counts_twice(
        acts in prop::collection::vec(act(), 0..120)
    ) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        world.end();
    }
}

#[test]
fn the_fourth_who_would_begin_an_item_that_three_died_of_gives_it_up() {
    let mut world = World::new();
    for _ in 0..MOST_DEATHS {
        for act in [Act::GoOn(0), Act::GoOn(0), Act::Kill(0), Act::Wait(LEASE_MS)] {
            world.act(&act);
        }
    }
    assert_eq!(world.kept.len(), 0);
    for act in [Act::GoOn(0), Act::GoOn(0)] {
        world.act(&act);
    }
    assert_eq!(world.kept.keys().collect::<Vec<_>>(), [&Item::Block(0)]);
    world.end();
    let poison = |body: &Vec<u8>| {
        let ended = serde_json::from_slice::<Ended<String>>(body);
        matches!(ended, Ok(Ended::Poison(it)) if it.workers == ["p1", "p4", "p5"])
    };
    assert_eq!(world.kept.values().filter(|body| poison(body)).count(), 1);
}

//! The kinds of faults, and what a machine is doing under any two of them.

use std::time::Duration;

use sim::{
    Latency, World,
    disk::{DiskFaults, DiskImage},
    fault::{
        After, BodyReset, Change, ClockFault, Cut, DiskFate, Duplication, FaultId, LinkChange,
        Part, ProxyAnswer, Refusal, Shift, Storm, Swizzle,
    },
};

/// A kind of fault, as it is set here: on the machine `b`, or between it and `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Crash,
    Wipe,
    Restore,
    Dying,
    Storm,
    Kill,
    Pause,
    Hang,
    Refuse,
    Partition,
    Swizzle,
    Hold,
    Link,
    Reset,
    Duplicate,
    Answers,
    Failing,
    Full,
    Slow,
    Lying,
    Rotting,
    Skew,
    Jump,
    Drift,
}

/// What a machine is doing, as its world and somebody who asks it can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It answers.
    Serves,
    /// It answers that it cannot.
    Fails,
    /// It runs, and nothing is heard of it.
    Silent,
    /// It is not scheduled.
    Paused,
    /// It runs, and refuses connections.
    Refuses,
    /// Its process is down, and its kernel refuses connections.
    Killed,
    /// Its process is down, and nothing is heard of it.
    Off,
}

/// How long a storm's machine is up, and how long down.
const TURN: Duration = Duration::from_secs(1);

impl Kind {
    pub(crate) const ALL: [Self; 24] = [
        Self::Crash,
        Self::Wipe,
        Self::Restore,
        Self::Dying,
        Self::Storm,
        Self::Kill,
        Self::Pause,
        Self::Hang,
        Self::Refuse,
        Self::Partition,
        Self::Swizzle,
        Self::Hold,
        Self::Link,
        Self::Reset,
        Self::Duplicate,
        Self::Answers,
        Self::Failing,
        Self::Full,
        Self::Slow,
        Self::Lying,
        Self::Rotting,
        Self::Skew,
        Self::Jump,
        Self::Drift,
    ];

    /// Its name on the page.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Wipe => "wipe",
            Self::Restore => "restore",
            Self::Dying => "dying disk",
            Self::Storm => "storm",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Hang => "hang",
            Self::Refuse => "refuse",
            Self::Partition => "partition",
            Self::Swizzle => "swizzle",
            Self::Hold => "hold",
            Self::Link => "link",
            Self::Reset => "reset",
            Self::Duplicate => "duplicate",
            Self::Answers => "answers",
            Self::Failing => "failing disk",
            Self::Full => "full disk",
            Self::Slow => "slow disk",
            Self::Lying => "lying disk",
            Self::Rotting => "rotting disk",
            Self::Skew => "clock skew",
            Self::Jump => "clock jump",
            Self::Drift => "clock drift",
        }
    }

    /// Whether a database may be broken for good by it.
    pub(crate) fn leaves_damage(self) -> bool {
        matches!(self, Self::Lying | Self::Rotting)
    }

    /// Begins it.
    pub(crate) fn begin(self, world: &World, backup: &DiskImage) -> FaultId {
        let (a, b) = (vec!["a".to_owned()], vec!["b".to_owned()]);
        let hour = Shift::Ahead(Duration::from_secs(3600));
        match self {
            Self::Crash => world.crash("b", DiskFate::LoseUnsynced, None),
            Self::Wipe => world.crash("b", DiskFate::Wiped, None),
            Self::Restore => world.crash("b", DiskFate::Restored(backup.clone()), None),
            Self::Kill => world.kill("b", None),
            Self::Storm => {
                let storm = Storm { times: 100, up: TURN, down: TURN, is_kill: false };
                world.storm("b", storm, None)
            }
            Self::Pause => world.pause("b", None),
            Self::Hang => world.hang("b", None),
            Self::Refuse => world.refuse(&Refusal { machine: "b".into(), port: None }, None),
            Self::Partition => world.partition(&Cut::Between(a, b), None),
            Self::Swizzle => {
                // Cut off for three of these: longer than anything lasts here.
                let machines = vec!["a".to_owned(), "b".to_owned()];
                world.swizzle(&Swizzle { machines, every: 5 * TURN }, None)
            }
            Self::Hold => world.hold(&Cut::Between(a, b), None),
            Self::Link => {
                let latency = Some(Latency::Fixed(Duration::from_millis(40)));
                let change = Change { latency, ..Change::default() };
                world.change_links(&LinkChange { from: a, to: b, both_ways: true, change }, None)
            }
            Self::Reset => {
                let (part, after) = (Part::Request, After::Share(0.5));
                world.reset_body(&BodyReset { from: a, to: b, part, after }, None)
            }
            Self::Duplicate => {
                let (probability, after) = (Some(1.0), Duration::from_millis(50));
                world.duplicate(&Duplication { from: a, to: b, probability, after }, None)
            }
            Self::Answers => {
                let (machine, to) = ("b".to_owned(), a);
                let (status, retry_after, share) = (503, None, 1.0);
                let answer = ProxyAnswer { machine, to, status, retry_after, share };
                world.answer_for(&answer, None)
            }
            Self::Dying | Self::Failing | Self::Full | Self::Slow | Self::Lying | Self::Rotting => {
                world.break_disk("b", self.of_disk(), None)
            }
            Self::Skew => world.break_clock("b", ClockFault::Skew(hour), None),
            Self::Jump => world.break_clock("b", ClockFault::Jump(hour), None),
            Self::Drift => world.break_clock("b", ClockFault::Drift(1.5), None),
        }
    }

    fn of_disk(self) -> DiskFaults {
        let well = DiskFaults::default();
        match self {
            Self::Dying => DiskFaults { die_after: Some(3), ..well },
            Self::Failing => DiskFaults { eio_write: 1.0, ..well },
            Self::Full => DiskFaults { capacity: Some(0), ..well },
            Self::Slow => DiskFaults { sync_time: Duration::from_millis(20), ..well },
            Self::Lying => DiskFaults { lying_sync: 1.0, ..well },
            _ => DiskFaults { rot: 4, ..well },
        }
    }
}

/// Faults in force, each with its age, and whether it is a dying disk that has struck.
pub(crate) type InForce<'k> = &'k [(Kind, Duration, bool)];

/// Whether the program on the machine can write to its disk, now or in the course of a storm.
pub(crate) fn writes(in_force: InForce<'_>) -> bool {
    use Kind::{Crash, Failing, Full, Kill, Pause, Restore, Wipe};
    let hinders = [Crash, Wipe, Restore, Kill, Pause, Failing, Full];
    !in_force.iter().any(|(kind, _, struck)| hinders.contains(kind) || *struck)
}

/// What the machine is doing: the layers that a request meets, from the wire to the disk.
pub(crate) fn doing(in_force: InForce<'_>) -> Doing {
    let any = |is: fn(Kind) -> bool| in_force.iter().any(|(kind, ..)| is(*kind));
    let storms = |age: &Duration| (age.as_millis() / TURN.as_millis()).is_multiple_of(2);
    let off = in_force.iter().any(|(kind, age, struck)| match kind {
        Kind::Crash | Kind::Wipe | Kind::Restore => true,
        Kind::Storm => storms(age),
        Kind::Dying => *struck,
        _ => false,
    });
    let cut = any(|kind| matches!(kind, Kind::Partition | Kind::Swizzle | Kind::Hold));
    if off || (any(|kind| kind == Kind::Kill) && cut) {
        return Doing::Off;
    }
    if any(|kind| kind == Kind::Kill) {
        return Doing::Killed;
    }
    if any(|kind| kind == Kind::Pause) {
        return Doing::Paused;
    }
    if cut {
        return Doing::Silent;
    }
    if any(|kind| kind == Kind::Refuse) {
        return Doing::Refuses;
    }
    if any(|kind| kind == Kind::Hang) {
        return Doing::Silent;
    }
    if any(|kind| matches!(kind, Kind::Answers | Kind::Failing | Kind::Full)) {
        return Doing::Fails;
    }
    Doing::Serves
}

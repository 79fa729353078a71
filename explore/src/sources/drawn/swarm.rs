//! Which kinds of operations and faults one draw has, and how often.
//!
//! A draw that has a little of everything hides what needs much of one kind, and what one kind
//! prevents ("Swarm Testing", Groce et al. 2012). So each draw switches most kinds off.

use std::collections::BTreeSet;

use super::dice::Dice;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    Partition,
    Split,
    Shape,
    Hold,
    Link,
    Reset,
    Duplicate,
    Answers,
    Refuse,
    Hang,
    Crash,
    Kill,
    Pause,
    Storm,
    DiskFails,
    DiskFull,
    DiskSlow,
    DiskDies,
    ClockSkew,
    ClockDrift,
}

impl Break {
    const ALL: [Self; 20] = [
        Self::Partition,
        Self::Split,
        Self::Shape,
        Self::Hold,
        Self::Link,
        Self::Reset,
        Self::Duplicate,
        Self::Answers,
        Self::Refuse,
        Self::Hang,
        Self::Crash,
        Self::Kill,
        Self::Pause,
        Self::Storm,
        Self::DiskFails,
        Self::DiskFull,
        Self::DiskSlow,
        Self::DiskDies,
        Self::ClockSkew,
        Self::ClockDrift,
    ];
}

/// What a draw either has or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Extra {
    /// More messages at once than one answer about a gap has room for.
    Stream,
    /// More messages at once than several such answers have room for.
    Flood,
    /// A backend that is away for most of the time.
    Absence,
    /// A homeserver that lies.
    Lie,
    /// A stranger who asks a relay for somebody's mail.
    Trespass,
    /// A clock that is wrong while mail waits for a backend that is away.
    WrongTime,
    /// A device that is away for most of the time.
    DeviceAway,
}

impl Extra {
    /// All of them, and how many of a hundred draws have each.
    const ALL: [(Self, u64); 7] = [
        (Self::Stream, 22),
        (Self::Flood, 3),
        (Self::Absence, 50),
        (Self::Lie, 25),
        (Self::Trespass, 25),
        (Self::WrongTime, 35),
        (Self::DeviceAway, 20),
    ];
}

/// The most times that a kind which is on is counted, against the others.
const MOST_WEIGHT: u64 = 4;

/// What one draw has.
#[derive(Debug)]
pub(super) struct Swarm {
    /// The kinds of faults, each as often as it weighs.
    pub(super) breaks: Vec<Break>,
    /// How many faults.
    pub(super) faults: u64,
    /// How many messages, apart from those of bursts.
    pub(super) messages: u64,
    /// How many bursts: several messages in one instant.
    pub(super) bursts: u64,
    /// What a draw either has or has not.
    extras: BTreeSet<Extra>,
    /// How many joins, leaves and returns.
    pub(super) moves: u64,
    /// How many kicks and bans.
    pub(super) removals: u64,
    /// How many changes of power levels.
    pub(super) powers: u64,
    /// How many changes of a topic or a name.
    pub(super) topics: u64,
    /// How many invites that nobody takes up at once.
    pub(super) invites: u64,
    /// How many messages somebody takes away again.
    pub(super) redactions: u64,
    /// The most retries of a message.
    pub(super) retries: u64,
    /// How many of a hundred faults last longer than any back-off.
    pub(super) long: u64,
    /// How many of a hundred faults begin at a place that is related to that of the one before.
    pub(super) related: u64,
}

impl Swarm {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let mut breaks = Vec::new();
        for kind in Break::ALL {
            let weight = if dice.chance(25) { dice.number(1, MOST_WEIGHT) } else { 0 };
            breaks.extend((0..weight).map(|_| kind));
        }
        if breaks.is_empty() {
            breaks.push(dice.one(&Break::ALL));
        }
        let extras =
            Extra::ALL.into_iter().filter(|(_, percent)| dice.chance(*percent)).map(|(it, _)| it);
        let extras = extras.collect();
        let mut sometimes = |percent: u64, most: u64| {
            if dice.chance(percent) { dice.number(1, most) } else { 0 }
        };
        Self {
            breaks,
            extras,
            faults: sometimes(90, 5),
            messages: sometimes(95, 10),
            bursts: sometimes(50, 3),
            moves: sometimes(50, 4),
            removals: sometimes(30, 2),
            powers: sometimes(20, 3),
            topics: sometimes(25, 4),
            retries: sometimes(50, 2),
            long: if sometimes(20, 1) == 1 { 40 } else { 0 },
            related: sometimes(60, 80),
            invites: sometimes(20, 2),
            redactions: sometimes(25, 3),
        }
    }

    pub(super) fn has(&self, extra: Extra) -> bool {
        self.extras.contains(&extra)
    }
}

//! In which ways a place of a run can be broken: what the network and the machines can do there, and
//! what clients can do meanwhile.

mod acts;
mod lies;

use std::time::Duration;

use journal::fault::{
    After, BodyReset, Duplication, Moment, NetworkFault, Part, ProxyAnswer, Refusal,
};
use scenarios::{
    Scenario,
    scenario::{AfterCrash, DiskFault, Fault, FaultKind, NodeFault, Op, OpKind},
};

use crate::places::{Place, Point};

pub(crate) use self::{
    acts::{rounded, unused_message},
    lies::misdeeds,
};

/// Something that happens at a place of a run.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one is made when its turn comes")]
pub enum Way {
    /// Something breaks.
    Fault(Fault),
    /// A client does something.
    Op(Op),
    /// A client does something while what breaks lasts.
    Meanwhile(Fault, Op),
}

impl Way {
    /// Returns what it has in common with others of its kind: what breaks or is done, and whether it
    /// does so at the machine that asks.
    pub fn kind(&self, place: &Place) -> Kind {
        match self {
            // One lie is as good as another, and there are many.
            Self::Fault(Fault { kind: FaultKind::Peer(_), .. }) => ("lie", false),
            Self::Fault(fault) => {
                let asker = match &place.point {
                    Point::Exchange { from, .. } => Some(from),
                    Point::Sync { .. } | Point::Boot { .. } => None,
                };
                (fault.kind.key(), asker.is_some_and(|asker| machine(&fault.kind) == Some(asker)))
            }
            Self::Op(op) => (word(&op.kind), false),
            Self::Meanwhile(_, op) => (word(&op.kind), true),
        }
    }

    /// Returns when it has begun that begins at `place`.
    pub(crate) fn begun(&self, place: &Place) -> Duration {
        match self {
            Self::Fault(_) => place.at,
            Self::Op(op) | Self::Meanwhile(_, op) => op.at.max(place.at),
        }
    }
}

/// Returns the machine that a fault is about, if it is about one alone.
fn machine(fault: &FaultKind) -> Option<&str> {
    match fault {
        FaultKind::Node(fault) => Some(fault.node()),
        FaultKind::Disk(fault) => Some(&fault.node),
        FaultKind::Peer(_) | FaultKind::Network(_) => None,
    }
}

fn word(op: &OpKind) -> &'static str {
    match op {
        OpKind::Send { .. } => "send",
        OpKind::Redact { .. } => "redact",
        OpKind::Typing { .. } => "typing",
        OpKind::Logout { .. } => "logout",
        OpKind::Fetch { .. } => "fetch",
        OpKind::Join { .. } => "join",
        OpKind::Leave { .. } => "leave",
        OpKind::Kick { .. } => "kick",
        OpKind::Ban { .. } => "ban",
        OpKind::Power { .. } => "power",
        OpKind::State { .. } => "state",
        OpKind::Invite { .. } => "invite",
        OpKind::Trespass { .. } => "trespass",
    }
}

/// A kind of way: its key, and whether it is about the machine that asks, or is done meanwhile.
pub type Kind = (&'static str, bool);

/// Long enough that whoever waits for an answer gives up, and short enough that connections live.
const OUTAGE: Duration = Duration::from_secs(30);
/// Longer than the network keeps trying, and than any back-off of fedsim's own servers.
const LONG_OUTAGE: Duration = Duration::from_secs(45 * 60);
/// As long as a machine takes to start again.
const RESTART: Duration = Duration::from_secs(8);
/// When a request is delivered for the second time.
const REPLAY: Duration = Duration::from_secs(5);
/// How wrong a wall clock is: nearly as long as keys are valid. A server that is further off takes
/// nobody's keys for valid, and others do not take its own, so that nothing is promised to it.
const CLOCK: Duration = Duration::from_secs(6 * 24 * 60 * 60);
/// How wrong the wall clock of a relay is, which dates nothing that others believe: longer than it
/// keeps anything.
const RELAY_CLOCK: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// The statuses that front proxies answer with.
const STATUSES: [u16; 3] = [502, 429, 520];
/// After how many further operations a disk dies: in the middle of a commit, and after it.
const DEATHS: [u64; 3] = [1, 3, 8];

/// Returns everything that makes sense at `place`: each fault with its trigger, and each operation
/// with its time.
pub fn ways(scenario: &Scenario, place: &Place) -> Vec<Way> {
    let broken = match &place.point {
        Point::Exchange { moment, from, to, .. } => {
            let mut ways = exchange(scenario, *moment, from, to);
            if *moment == Moment::Sent {
                let lie = lies::told(scenario, from, place.at);
                ways.extend(lie.map(|lie| (OUTAGE, lie.into())));
            }
            ways
        }
        Point::Sync { node, .. } => sync(node),
        Point::Boot { node } => boot(scenario, node),
    };
    let fault = |(lasts, kind)| Way::Fault(Fault::new(place.when(), Some(lasts), kind));
    let mut ways: Vec<Way> = broken.into_iter().map(fault).collect();
    ways.extend(acts::acts(scenario, place));
    ways
}

/// A fault without its trigger: how long it lasts, and what it is.
type Break = (Duration, FaultKind);

fn exchange(scenario: &Scenario, moment: Moment, from: &str, to: &str) -> Vec<Break> {
    let mut ways = links(moment, from, to);
    for node in [from, to] {
        ways.extend(process(node));
    }
    for node in [from, to].into_iter().filter(|node| is_server(scenario, node)) {
        ways.extend(server(scenario, moment, node));
    }
    if moment == Moment::Sent {
        ways.extend(in_front_of(to, from));
    }
    ways
}

/// Breaks the links between two machines, or what they carry.
fn links(moment: Moment, from: &str, to: &str) -> Vec<Break> {
    let group = |name: &str| vec![name.to_owned()];
    let partition = |between: &str, and: &str, one_way| NetworkFault::Partition {
        between: group(between),
        and: group(and),
        one_way,
    };
    let hold = |between: &str, and: &str| NetworkFault::Hold {
        between: group(between),
        and: group(and),
        one_way: true,
    };
    let reset = |part| {
        let (from, to) = (group(from), group(to));
        NetworkFault::Reset(BodyReset { from, to, part, after: After::Share(0.5) })
    };
    let mut ways = vec![
        (OUTAGE, partition(from, to, false)),
        (LONG_OUTAGE, partition(from, to, false)),
        (OUTAGE, partition(to, from, true)),
    ];
    match moment {
        Moment::Sent => {
            let (from, to) = (group(from), group(to));
            let duplication = Duplication { from, to, probability: None, after: REPLAY };
            ways.push((OUTAGE, reset(Part::Request)));
            ways.push((REPLAY, NetworkFault::Duplicate(duplication)));
        }
        Moment::Arrived => ways.push((OUTAGE, reset(Part::Answer))),
        Moment::Answered => {}
    }
    let held = if moment == Moment::Sent { hold(from, to) } else { hold(to, from) };
    ways.push((OUTAGE, held));
    ways.into_iter().map(|(lasts, fault)| (lasts, fault.into())).collect()
}

/// Ends or stops a machine's program.
fn process(node: &str) -> Vec<Break> {
    let node = || node.to_owned();
    let crash = |disk| NodeFault::Crash { node: node(), disk }.into();
    vec![
        (RESTART, crash(AfterCrash::LoseUnsynced)),
        (RESTART, NodeFault::Kill { node: node() }.into()),
        (OUTAGE, NodeFault::Pause { node: node() }.into()),
    ]
}

/// Breaks what only servers have: other servers, a disk, a clock that others rely on.
fn server(scenario: &Scenario, moment: Moment, node: &str) -> Vec<Break> {
    let mut ways = vec![
        (LONG_OUTAGE, NodeFault::Crash { node: node.to_owned(), disk: AfterCrash::LoseAll }.into()),
        (OUTAGE, isolation(scenario, node)),
        (OUTAGE, fails(node).into()),
    ];
    if moment == Moment::Arrived {
        ways.extend(DEATHS.map(|after| {
            let disk = DiskFault { dies_after: Some(after), ..DiskFault::of(node) };
            (RESTART, disk.into())
        }));
        ways.push((OUTAGE, slow(node).into()));
        let is_relay = scenario.relays.contains_key(node);
        let (by, lasts) = if is_relay { (RELAY_CLOCK, LONG_OUTAGE) } else { (CLOCK, OUTAGE) };
        let skew = |behind| NodeFault::ClockSkew { node: node.to_owned(), by, behind }.into();
        ways.extend([(lasts, skew(false)), (lasts, skew(true))]);
    }
    ways
}

/// Breaks what stands before a machine.
fn in_front_of(node: &str, from: &str) -> Vec<Break> {
    let answers = STATUSES.map(|status| {
        let (machine, to) = (node.to_owned(), vec![from.to_owned()]);
        let answer = ProxyAnswer { machine, to, status, retry_after: None, share: 1.0 };
        NetworkFault::Answers(answer)
    });
    let refusal = NetworkFault::Refuse(Refusal { machine: node.to_owned(), port: None });
    let hang = NetworkFault::Hang { node: node.to_owned() };
    let faults = answers.into_iter().chain([refusal, hang]);
    faults.map(|fault| (OUTAGE, fault.into())).collect()
}

fn sync(node: &str) -> Vec<Break> {
    let crash = |disk| NodeFault::Crash { node: node.to_owned(), disk }.into();
    vec![
        (RESTART, crash(AfterCrash::LoseAll)),
        (RESTART, crash(AfterCrash::Torn)),
        (RESTART, NodeFault::Kill { node: node.to_owned() }.into()),
        (OUTAGE, fails(node).into()),
    ]
}

fn boot(scenario: &Scenario, node: &str) -> Vec<Break> {
    let disk = DiskFault { read_fails: Some(1.0), ..DiskFault::of(node) };
    vec![
        (RESTART, NodeFault::Crash { node: node.to_owned(), disk: AfterCrash::LoseAll }.into()),
        (OUTAGE, isolation(scenario, node)),
        (OUTAGE, disk.into()),
    ]
}

/// Cuts `node` off from every other server.
fn isolation(scenario: &Scenario, node: &str) -> FaultKind {
    let servers = scenario.backends.keys().chain(scenario.relays.keys());
    let and = servers.filter(|name| *name != node).cloned().collect();
    NetworkFault::Partition { between: vec![node.to_owned()], and, one_way: false }.into()
}

fn fails(node: &str) -> DiskFault {
    DiskFault { write_fails: Some(1.0), sync_fails: Some(1.0), ..DiskFault::of(node) }
}

fn slow(node: &str) -> DiskFault {
    DiskFault { sync_time: Some(Duration::from_secs(2)), ..DiskFault::of(node) }
}

pub(crate) fn is_server(scenario: &Scenario, node: &str) -> bool {
    scenario.backends.contains_key(node) || scenario.relays.contains_key(node)
}

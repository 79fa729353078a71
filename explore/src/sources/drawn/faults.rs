//! What breaks, where, and for how long.

use std::time::Duration;

use scenarios::{
    Scenario,
    scenario::{
        After, AfterCrash, BodyReset, Change, DiskFault, Duplication, Fault, FaultKind, Latency,
        LinkChange, NetworkFault, NodeFault, Part, PeerFault, ProxyAnswer, Reads, Refusal, Shape,
        When,
    },
};

use crate::{
    sources::dates::{DATED_AHEAD, is_beyond_belief, is_of_clock, makes_events},
    ways::misdeeds,
};

use super::{
    begin,
    dice::Dice,
    swarm::{Break, Extra, Swarm},
};

/// The shortest fault, in milliseconds.
const SHORTEST: u64 = 100;

/// The longest fault that is no outage of a day, in milliseconds: longer than the user timeout of a
/// connection.
const LONGEST: u64 = 150_000;

/// Longer than the longest back-off, in milliseconds.
const BEYOND_BACK_OFF: (u64, u64) = (3_700_000, 5_000_000);

/// How many of a hundred related faults begin at the first exchanges or operations of a disk after
/// the one before has begun, and not close to where that one did.
const AFTER: u64 = 40;

/// The statuses that front proxies answer with.
const STATUSES: [u16; 5] = [502, 503, 504, 429, 520];

/// How wrong wall clocks are, in seconds: minutes, hours, days, and more than each time to live. They
/// are right again in the end, because a server whose clock stays that wrong takes nobody's keys for
/// valid, and is promised nothing.
const SKEWS: [u64; 6] = [120, 7_200, DATED_AHEAD, 8 * 86_400, 30 * 86_400, 360 * 86_400];

/// Adds all faults.
pub(super) fn add(scenario: &mut Scenario, swarm: &Swarm, dice: &mut Dice) {
    let servers: Vec<String> =
        scenario.backends.keys().chain(scenario.relays.keys()).cloned().collect();
    // Much of what breaks, breaks around one machine.
    let focus = dice.one(&servers);
    if swarm.has(Extra::Absence) {
        let absence = absence(scenario, swarm, dice);
        if swarm.has(Extra::WrongTime) {
            let clock = wrong_time(scenario, &absence, dice);
            scenario.faults.extend(clock.into_iter().flatten());
        }
        scenario.faults.push(absence);
    }
    if swarm.has(Extra::DeviceAway) {
        let away = device_away(scenario, dice);
        scenario.faults.extend(away);
    }
    if swarm.has(Extra::Lie) {
        for _ in 0..dice.number(1, MOST_LIES) {
            let lie = lie(scenario, dice);
            scenario.faults.push(lie);
        }
    }
    for _ in 0..swarm.faults {
        let node = if dice.chance(50) { focus.clone() } else { dice.one(&servers) };
        let before = scenario.faults.last().map(|fault| fault.when.clone());
        let before = before.filter(|_| dice.chance(swarm.related));
        let follows = before.is_some() && dice.chance(AFTER);
        let when = match before {
            Some(before) if !follows => begin::soon_after(&before, dice),
            _ => begin::drawn(scenario, &node, dice),
        };
        let kind = dice.one(&swarm.breaks);
        let mut places = Places { scenario, servers: &servers, node, dice };
        let kind = places.broken(kind);
        let lasts = match &kind {
            FaultKind::Node(NodeFault::Storm { .. })
            | FaultKind::Network(NetworkFault::Shape(Shape::Swizzle { .. })) => None,
            _ if dice.chance(swarm.long) => Some(dice.time(BEYOND_BACK_OFF.0, BEYOND_BACK_OFF.1)),
            _ => Some(dice.scale(SHORTEST, LONGEST)),
        };
        let after = Some(follows).filter(|it| *it && !matches!(when, When::At(_)));
        let after = after.and_then(|_| name_last(&mut scenario.faults));
        scenario.faults.push(Fault { after, ..Fault::new(when, lasts, kind) });
    }
    if is_beyond_belief(scenario) {
        let wrong: Vec<bool> = scenario
            .faults
            .iter()
            .map(|fault| scenario.backends.keys().any(|name| is_of_clock(&fault.kind, name)))
            .collect();
        scenario.leave_out_faults(|index| wrong[index]);
    }
}

/// Names the last fault, for one that begins after it.
fn name_last(faults: &mut [Fault]) -> Option<String> {
    let number = faults.len();
    let last = faults.last_mut()?;
    Some(last.id.get_or_insert_with(|| format!("f{number}")).clone())
}

/// The length of an absence, in milliseconds: long enough for what waits to go to the relays.
const ABSENCE: (u64, u64) = (25_000, 150_000);

/// Lets a backend be away for most of the time: without power, or cut off from the other backends,
/// but not from the relays, or not answering.
fn absence(scenario: &Scenario, swarm: &Swarm, dice: &mut Dice) -> Fault {
    let backends: Vec<String> = scenario.backends.keys().cloned().collect();
    let node = dice.one(&backends);
    let others = || backends.iter().filter(|name| **name != node).cloned().collect();
    let kind: FaultKind = match dice.below(4) {
        0 => NodeFault::Crash { node, disk: AfterCrash::LoseUnsynced }.into(),
        1 => NodeFault::Kill { node }.into(),
        2 => NetworkFault::Hang { node }.into(),
        _ => {
            let (between, and) = (vec![node.clone()], others());
            NetworkFault::Partition { between, and, one_way: false }.into()
        }
    };
    let lasts = if dice.chance(swarm.long) { BEYOND_BACK_OFF } else { ABSENCE };
    let lasts = Some(dice.time(lasts.0, lasts.1));
    Fault::new(When::At(dice.time(0, 20_000)), lasts, kind)
}

/// Sets the clock of a relay, or of a backend that says nothing, ahead of everything that it keeps,
/// while somebody is away and mail waits for him. Much is tidied up at a start, so that one follows now
/// and then.
fn wrong_time(scenario: &Scenario, absence: &Fault, dice: &mut Dice) -> Option<Vec<Fault>> {
    let silent = scenario.backends.keys().filter(|name| !makes_events(scenario, name));
    let keepers: Vec<String> = scenario.relays.keys().chain(silent).cloned().collect();
    let node = dice.any(&keepers)?;
    let When::At(begins) = absence.when else { return None };
    let away = absence.lasts?;
    let later = away.mul_f64(dice.one(&[0.3, 0.5, 0.7]));
    let by = Duration::from_secs(dice.one(&SKEWS[3..]));
    let at = begins + later;
    let kill = NodeFault::Kill { node: node.clone() }.into();
    let restart = (at + Duration::from_secs(2), Duration::from_secs(1), kill);
    let skew = NodeFault::ClockSkew { node, by, behind: false }.into();
    let clock = (at, away.saturating_sub(later) + dice.time(0, 20_000), skew);
    let faults = std::iter::once(clock).chain(dice.chance(60).then_some(restart));
    let fault = |(at, lasts, kind)| Fault::new(When::At(at), Some(lasts), kind);
    Some(faults.map(fault).collect())
}

/// Cuts a device off from its backend for most of the time, so that much comes before it reads again.
fn device_away(scenario: &Scenario, dice: &mut Dice) -> Option<Fault> {
    let reading = scenario.users.iter().filter(|(_, user)| user.reads == Reads::Sync);
    let reading: Vec<(String, String)> =
        reading.map(|(name, user)| (format!("{name}/1"), user.backend.clone())).collect();
    let (device, backend) = dice.any(&reading)?;
    let kind =
        NetworkFault::Partition { between: vec![device], and: vec![backend], one_way: false }
            .into();
    let lasts = Some(dice.time(BUSY_FOR, LONGEST));
    Some(Fault::new(When::At(dice.time(0, 2_000)), lasts, kind))
}

/// How long clients do something, in milliseconds.
const BUSY_FOR: u64 = 45_000;

/// The most lies of one draw.
const MOST_LIES: u64 = 2;

/// Lets a homeserver lie for a while.
fn lie(scenario: &Scenario, dice: &mut Dice) -> Fault {
    let backends: Vec<String> = scenario.backends.keys().cloned().collect();
    let node = dice.one(&backends);
    let misdeed = dice.one(&misdeeds(scenario, &node));
    let kind = PeerFault { node, to: Vec::new(), share: 1.0, misdeed }.into();
    Fault::new(When::At(dice.time(0, 20_000)), Some(dice.time(5_000, 60_000)), kind)
}

/// Where something breaks.
struct Places<'s> {
    scenario: &'s Scenario,
    servers: &'s [String],
    /// The server around which it breaks.
    node: String,
    dice: &'s mut Dice,
}

impl Places<'_> {
    fn broken(&mut self, kind: Break) -> FaultKind {
        match kind {
            Break::Partition
            | Break::Split
            | Break::Shape
            | Break::Hold
            | Break::Link
            | Break::Reset
            | Break::Duplicate
            | Break::Answers
            | Break::Refuse
            | Break::Hang => self.network(kind).into(),
            Break::Crash
            | Break::Kill
            | Break::Pause
            | Break::Storm
            | Break::ClockSkew
            | Break::ClockDrift => self.machine(kind).into(),
            Break::DiskFails | Break::DiskFull | Break::DiskSlow | Break::DiskDies => {
                self.disk(kind).into()
            }
        }
    }

    fn network(&mut self, kind: Break) -> NetworkFault {
        match kind {
            Break::Split => self.split(),
            Break::Shape => NetworkFault::Shape(self.shape()),
            Break::Hold => {
                let (between, and) = self.sides();
                NetworkFault::Hold { between, and, one_way: self.dice.chance(50) }
            }
            Break::Link => self.link(),
            Break::Reset => {
                let (from, to) = self.sides();
                let part = self.dice.one(&[Part::Request, Part::Answer]);
                let after = After::Share(self.dice.one(&[0.1, 0.5, 1.0]));
                NetworkFault::Reset(BodyReset { from, to, part, after })
            }
            Break::Duplicate => {
                let (from, to) = self.sides();
                let probability = self.dice.one(&[None, Some(0.3), Some(1.0)]);
                let after = self.dice.scale(1, 60_000);
                NetworkFault::Duplicate(Duplication { from, to, probability, after })
            }
            Break::Answers => self.answers(),
            Break::Refuse => {
                NetworkFault::Refuse(Refusal { machine: self.node.clone(), port: None })
            }
            Break::Hang => NetworkFault::Hang { node: self.node.clone() },
            _ => {
                let (between, and) = self.sides();
                NetworkFault::Partition { between, and, one_way: self.dice.chance(30) }
            }
        }
    }

    /// Returns the server and some other machines, in either order.
    fn sides(&mut self) -> (Vec<String>, Vec<String>) {
        let one = vec![self.node.clone()];
        let mut others = self.others();
        if self.dice.chance(15) {
            // The links to its clients.
            let clients = self.clients();
            others = if clients.is_empty() { others } else { clients };
        }
        let most = if self.dice.chance(60) { 1 } else { others.len() };
        let others = self.dice.some(&others, most);
        if self.dice.chance(50) { (one, others) } else { (others, one) }
    }

    fn others(&self) -> Vec<String> {
        self.servers.iter().filter(|name| **name != self.node).cloned().collect()
    }

    /// Returns the devices of the server's users; those of anybody for a relay, which has none.
    fn clients(&self) -> Vec<String> {
        let users = self.scenario.users.iter().filter(|(_, user)| user.backend == self.node);
        let devices = users.flat_map(|(name, user)| {
            (1..=user.devices).map(move |device| format!("{name}/{device}"))
        });
        devices.collect()
    }

    fn split(&mut self) -> NetworkFault {
        let (mut one, mut other) = (vec![self.node.clone()], Vec::new());
        for name in self.others() {
            let side = if self.dice.chance(30) { &mut one } else { &mut other };
            side.push(name);
        }
        if other.is_empty() {
            other.extend(one.pop());
        }
        NetworkFault::Split { groups: vec![one, other] }
    }

    fn shape(&mut self) -> Shape {
        let (one, of) = (self.node.clone(), self.servers.to_vec());
        let (others, every) = (self.others(), self.dice.scale(100, 10_000));
        match self.dice.below(5) {
            0 if of.len() >= 4 => Shape::Ring { of },
            1 if others.len() >= 2 => Shape::Bridge { over: one, of: others },
            2 => Shape::Halves { of },
            3 => Shape::Swizzle { of, every },
            _ => Shape::Isolate { one, of: others },
        }
    }

    fn link(&mut self) -> NetworkFault {
        let (from, to) = self.sides();
        let mut change = Change::default();
        match self.dice.below(3) {
            0 => change.loss = Some(self.dice.one(&[0.05, 0.2, 0.4])),
            1 => change.latency = Some(Latency::Fixed(self.dice.scale(100, 12_000))),
            _ => change.bandwidth = self.dice.one(&[1_000, 10_000, 100_000]).try_into().ok(),
        }
        NetworkFault::Link(LinkChange { from, to, both_ways: self.dice.chance(50), change })
    }

    fn answers(&mut self) -> NetworkFault {
        let others = self.others();
        let to = if self.dice.chance(50) { Vec::new() } else { self.dice.some(&others, 2) };
        let status = self.dice.one(&STATUSES);
        let retry_after = [None, Some(Duration::from_secs(self.dice.number(1, 30)))];
        NetworkFault::Answers(ProxyAnswer {
            machine: self.node.clone(),
            to,
            status,
            retry_after: self.dice.one(&retry_after),
            share: self.dice.one(&[1.0, 1.0, 0.5]),
        })
    }

    fn machine(&mut self, kind: Break) -> NodeFault {
        let node = self.node.clone();
        match kind {
            Break::Storm => NodeFault::Storm {
                node,
                times: u32::try_from(self.dice.number(2, 8)).unwrap_or(2),
                up: self.dice.scale(50, 10_000),
                down: self.dice.scale(50, 10_000),
                kill: self.dice.chance(50),
            },
            Break::ClockSkew => {
                let behind = self.dice.chance(50);
                let most = if behind || !makes_events(self.scenario, &node) {
                    u64::MAX
                } else {
                    DATED_AHEAD
                };
                let by = Duration::from_secs(self.dice.one(&SKEWS).min(most));
                NodeFault::ClockSkew { node, by, behind }
            }
            Break::ClockDrift => {
                NodeFault::ClockDrift { node, rate: self.dice.one(&[0.5, 0.9, 1.1, 2.0]) }
            }
            Break::Kill => NodeFault::Kill { node: self.machine_or_client() },
            Break::Pause => NodeFault::Pause { node: self.machine_or_client() },
            _ => {
                let kept = [
                    AfterCrash::LoseUnsynced,
                    AfterCrash::Keep,
                    AfterCrash::Torn,
                    AfterCrash::LoseAll,
                ];
                let disk = self.dice.one(&kept);
                NodeFault::Crash { node: self.machine_or_client(), disk }
            }
        }
    }

    /// Returns the server, or now and then a device of one of its users.
    fn machine_or_client(&mut self) -> String {
        let clients = self.clients();
        let client = self.dice.any(&clients).filter(|_| self.dice.chance(10));
        client.unwrap_or_else(|| self.node.clone())
    }

    /// Disks that lie lose what was acknowledged, and promise nothing; so they are not drawn.
    fn disk(&mut self, kind: Break) -> DiskFault {
        let mut fault = DiskFault::of(&self.node);
        match kind {
            Break::DiskFull if self.dice.chance(50) => fault.full = true,
            Break::DiskFull => fault.capacity = Some(self.dice.number(1, 64) << 12),
            Break::DiskSlow => {
                fault.write_time = Some(self.dice.scale(1, 200));
                fault.sync_time = Some(self.dice.scale(1, 4_000));
            }
            Break::DiskDies => fault.dies_after = Some(self.dice.number(1, 20)),
            _ => {
                let share = Some(self.dice.one(&[0.05, 0.3, 1.0]));
                match self.dice.below(4) {
                    0 => fault.read_fails = share,
                    1 => fault.write_fails = share,
                    2 => fault.sync_fails = share,
                    _ => (fault.write_fails, fault.sync_fails) = (share, share),
                }
            }
        }
        fault
    }
}

//! Scenarios drawn at random: everything that makes sense, whether or not anybody would write it.

#[path = "drawn/ops.rs"]
mod ops;

use std::{collections::BTreeMap, num::NonZeroU64, time::Duration};

use proptest::{collection::vec, option, prelude::*, sample::select};
use scenarios::{
    scenario::*,
    vocabulary::{CHECKS, ENDPOINTS},
};
use settings::{Choice, Choices, HOMESERVER, Kind, Settings};

use self::ops::{op, outcome};

const BACKENDS: &[&str] = &["a", "b", "c-1"];
const RELAYS: &[&str] = &["r1", "r2"];
const USERS: &[&str] = &["alice", "bob", "carol"];
const ROOMS: &[&str] = &["team", "0"];
const LIMIT: Duration = Duration::from_hours(1);

pub(crate) fn scenario() -> impl Strategy<Value = Scenario> {
    let head = (text(), vec(text(), 0..3), any::<u64>(), schedule(), network());
    let world = (backends(), relays(), users(), rooms());
    (head, world, vec(op(), 0..6), vec((fault(), any::<bool>()), 0..5), expect()).prop_map(
        |(
            (about, tags, seed, schedule, network),
            (backends, relays, users, conversations),
            ops,
            faults,
            expect,
        )| {
            let faults = faults.into_iter().enumerate().map(in_order).collect();
            let mut ops: Vec<_> = ops.into_iter().enumerate().map(named).collect();
            ops.sort_by_key(|op| op.at);
            let name = "drawn".to_owned();
            let (limit, settle) = (LIMIT, Duration::from_secs(7));
            let mut scenario = Scenario {
                name,
                about,
                tags,
                seed,
                limit,
                settle,
                schedule,
                network,
                backends,
                relays,
                users,
                conversations,
                ops,
                faults,
                expect,
            };
            // Only what is sent can be expected, or taken away.
            let ids: Vec<_> =
                scenario.ops.iter().flat_map(Op::occurrences).filter_map(|op| id(&op)).collect();
            scenario.ops.retain(|op| !ids.is_empty() || !matches!(op.kind, OpKind::Redact { .. }));
            for op in &mut scenario.ops {
                if let OpKind::Redact { message, .. } = &mut op.kind {
                    message.clone_from(&ids[0]);
                }
            }
            scenario.expect.messages.retain(|id, _| ids.contains(id));
            scenario
        },
    )
}

/// Lets a fault begin after the one before it, or not.
fn in_order((n, (fault, follows)): (usize, (Fault, bool))) -> Fault {
    let before = n.checked_sub(1).filter(|_| follows);
    Fault { id: Some(format!("f{n}")), after: before.map(|n| format!("f{n}")), ..fault }
}

fn named((n, op): (usize, Op)) -> Op {
    let kind = match op.kind {
        OpKind::Send { from, to, text, content, retries, .. } => {
            OpKind::Send { id: format!("m{n}"), from, to, text, content, retries }
        }
        other => other,
    };
    Op { kind, ..op }
}

fn id(op: &Op) -> Option<String> {
    match &op.kind {
        OpKind::Send { id, .. } => Some(id.clone()),
        _ => None,
    }
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let priorities = (1..=MOST_PRIORITIES).prop_map(Schedule::Priorities);
    prop_oneof![Just(Schedule::Fixed), Just(Schedule::Random), priorities]
}

/// Draws any text at all: quotes, line ends, control characters.
fn text() -> impl Strategy<Value = String> {
    any::<String>()
}

fn one(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(names).prop_map(str::to_owned)
}

fn some(names: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let all: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    proptest::sample::subsequence(all, 0..=names.len())
}

fn time() -> impl Strategy<Value = Duration> {
    (0..=LIMIT.as_secs(), 0..1_000_000_000_u64)
        .prop_map(|(s, ns)| LIMIT.min(Duration::from_secs(s) + Duration::from_nanos(ns)))
}

fn lasting() -> impl Strategy<Value = Duration> {
    time().prop_map(|time| time + Duration::from_nanos(1))
}

fn latency() -> impl Strategy<Value = Latency> {
    let range = (time(), time()).prop_map(|(a, b)| Latency::Uniform(a.min(b), a.max(b)));
    prop_oneof![time().prop_map(Latency::Fixed), range]
}

fn network() -> impl Strategy<Value = Network> {
    (latency(), 0.0..=1.0).prop_map(|(latency, loss)| Network { latency, loss })
}

fn backends() -> impl Strategy<Value = BTreeMap<String, Backend>> {
    let backend = (some(RELAYS), any::<bool>(), choices(&HOMESERVER)).prop_map(
        |(relays, learned, settings)| Backend { relays, relays_learned: learned, settings },
    );
    each(BACKENDS, backend)
}

fn relays() -> impl Strategy<Value = BTreeMap<String, Relay>> {
    each(RELAYS, choices(&settings::RELAY).prop_map(|settings| Relay { settings }))
}

/// Draws any of the settings of a server, with values that make sense.
fn choices(known: &'static Settings) -> impl Strategy<Value = Choices> {
    let drawn = (any::<proptest::sample::Selector>(), any::<u64>(), some(BACKENDS));
    vec(drawn, 0..4).prop_map(move |drawn| {
        let mut choices = Choices::default();
        for (which, amount, names) in drawn {
            let setting = which.select(known.settings);
            let amount = match setting.kind {
                Kind::Flag => amount % 2,
                Kind::Count => amount & u64::from(u32::MAX),
                _ => amount,
            };
            let is_sensible = (setting.rule)(setting.key, amount).is_ok();
            if setting.kind == Kind::Names {
                choices.set(setting, Choice::Names(names));
            } else if is_sensible {
                choices.set(setting, amount);
            }
        }
        if known.check(|key| choices.amount(key)).is_err() {
            choices.forget("backoff_first");
            choices.forget("backoff_max");
        }
        choices
    })
}

fn users() -> impl Strategy<Value = BTreeMap<String, User>> {
    let reads = select(vec![Reads::Sync, Reads::Await, Reads::Never]);
    let user = (one(BACKENDS), 1_u32..=16, reads);
    each(USERS, user.prop_map(|(backend, devices, reads)| User { backend, devices, reads }))
}

fn rooms() -> impl Strategy<Value = BTreeMap<String, Conversation>> {
    let deliveries = select(vec![Delivery::Eventual, Delivery::M1, Delivery::M1Of2021]);
    let room =
        (one(USERS), some(USERS), deliveries).prop_map(|(creator, mut members, delivery)| {
            members.retain(|member| *member != creator);
            Conversation { creator, members, delivery }
        });
    each(ROOMS, room)
}

/// Draws something for each of these names.
fn each<T: std::fmt::Debug>(
    names: &'static [&'static str],
    one: impl Strategy<Value = T>,
) -> impl Strategy<Value = BTreeMap<String, T>> {
    vec(one, names.len())
        .prop_map(|values| names.iter().map(|&name| name.to_owned()).zip(values).collect())
}

fn machine() -> impl Strategy<Value = String> {
    prop_oneof![one(BACKENDS), one(RELAYS), one(USERS).prop_map(|user| format!("{user}/1"))]
}

fn when() -> impl Strategy<Value = When> {
    let moments = select(vec![Moment::Sent, Moment::Arrived, Moment::Answered]);
    let endpoints = vec(select(ENDPOINTS).prop_map(|(name, _, _)| name.to_owned()), 1..4);
    let ends = (option::of(machine()), option::of(machine()));
    let exchange =
        (moments, endpoints, ends, 1..u64::MAX).prop_map(|(moment, endpoints, (from, to), nth)| {
            When::Exchange { moment, endpoints, from, to, nth }
        });
    let operations = select(vec![Operation::Written, Operation::Synced]);
    let disk = (operations, machine(), 1..u64::MAX).prop_map(|(operation, node, nth)| When::Disk {
        operation,
        node,
        nth,
    });
    prop_oneof![time().prop_map(When::At), exchange, disk]
}

fn fault() -> impl Strategy<Value = Fault> {
    // Boxed, because what is drawn from all of them at once is too large for a thread's stack.
    let kind = prop_oneof![
        network_fault().prop_map_into::<FaultKind>().boxed(),
        node_fault().prop_map_into().boxed(),
        clock_fault().prop_map_into().boxed(),
        disk_fault().prop_map_into().boxed(),
        peer_fault().prop_map_into().boxed(),
    ];
    (when(), option::of(lasting()), kind).prop_map(|(when, lasts, kind)| {
        let stays = matches!(kind, FaultKind::Node(NodeFault::ClockJump { .. }));
        Fault::new(when, lasts.filter(|_| !stays), kind)
    })
}

fn network_fault() -> impl Strategy<Value = NetworkFault> {
    let sides = || select(vec![("a", "b"), ("r1", "a"), ("alice/1", "c-1")]);
    let side = |name: &str| vec![name.to_owned()];
    let partition = (sides(), any::<bool>()).prop_map(move |((between, and), one_way)| {
        NetworkFault::Partition { between: side(between), and: side(and), one_way }
    });
    let hold = (sides(), any::<bool>()).prop_map(move |((between, and), one_way)| {
        NetworkFault::Hold { between: side(between), and: side(and), one_way }
    });
    let speed = || (0.0..=1.0, option::of(1..u64::MAX));
    let link = (sides(), any::<bool>(), option::of(latency()), speed()).prop_map(
        move |((from, to), both_ways, latency, (loss, bandwidth))| {
            let bandwidth = bandwidth.and_then(NonZeroU64::new);
            let change = Change { latency, loss: Some(loss), bandwidth };
            NetworkFault::Link(LinkChange { from: side(from), to: side(to), both_ways, change })
        },
    );
    let part = select(vec![Part::Request, Part::Answer]);
    let after =
        prop_oneof![any::<u64>().prop_map(After::Bytes), (0.0..=1.0).prop_map(After::Share),];
    let reset = (sides(), part, after).prop_map(move |((from, to), part, after)| {
        NetworkFault::Reset(BodyReset { from: side(from), to: side(to), part, after })
    });
    let duplicate = (sides(), option::of(0.0..=1.0), time()).prop_map(
        move |((from, to), probability, after)| {
            let (from, to) = (side(from), side(to));
            NetworkFault::Duplicate(Duplication { from, to, probability, after })
        },
    );
    let seconds = option::of((0..1_000_u64).prop_map(Duration::from_secs));
    let answers = (sides(), any::<bool>(), 400..600_u16, seconds, 0.0..=1.0).prop_map(
        move |((machine, to), to_all, status, retry_after, share)| {
            let (machine, to) = (machine.to_owned(), if to_all { Vec::new() } else { side(to) });
            NetworkFault::Answers(ProxyAnswer { machine, to, status, retry_after, share })
        },
    );
    let refuse = (machine(), option::of(1_u16..))
        .prop_map(|(machine, port)| NetworkFault::Refuse(Refusal { machine, port }));
    let hang = machine().prop_map(|node| NetworkFault::Hang { node });
    let split = sides().prop_map(move |(one, other)| NetworkFault::Split {
        groups: vec![side(one), side(other), side("r2")],
    });
    prop_oneof![
        partition,
        link,
        split,
        hold,
        reset,
        duplicate,
        answers,
        refuse,
        hang,
        shape().prop_map(NetworkFault::Shape)
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let all = || {
        let all = BACKENDS.iter().chain(RELAYS).map(|&name| name.to_owned());
        Just(all.collect::<Vec<_>>()).prop_shuffle()
    };
    prop_oneof![
        any::<bool>().prop_map(|any| Shape::Isolate {
            one: "b".to_owned(),
            of: if any { Vec::new() } else { vec!["r1".to_owned()] },
        }),
        all().prop_map(|of| Shape::Halves { of }),
        all().prop_map(|of| Shape::Ring { of }),
        Just(Shape::Bridge { over: "a".to_owned(), of: Vec::new() }),
        (all(), lasting()).prop_map(|(of, every)| Shape::Swizzle { of, every }),
    ]
}

fn node_fault() -> impl Strategy<Value = NodeFault> {
    let fates = select(vec![
        AfterCrash::LoseUnsynced,
        AfterCrash::Keep,
        AfterCrash::Torn,
        AfterCrash::LoseAll,
    ]);
    let storm = (machine(), 1..=1000_u32, time(), lasting(), any::<bool>())
        .prop_map(|(node, times, up, down, kill)| NodeFault::Storm { node, times, up, down, kill });
    let restore = (machine(), when())
        .prop_map(|(node, taken)| NodeFault::Restore { node, taken: Taken(Box::new(taken)) });
    prop_oneof![
        (machine(), fates).prop_map(|(node, disk)| NodeFault::Crash { node, disk }),
        machine().prop_map(|node| NodeFault::Kill { node }),
        select(vec!["a", "r1"]).prop_map(|node| NodeFault::RotateKey { node: node.to_owned() }),
        machine().prop_map(|node| NodeFault::Pause { node }),
        machine().prop_map(|node| NodeFault::Wipe { node }),
        storm,
        restore,
    ]
}

fn clock_fault() -> impl Strategy<Value = NodeFault> {
    prop_oneof![
        (machine(), lasting(), any::<bool>()).prop_map(|(node, by, behind)| NodeFault::ClockSkew {
            node,
            by,
            behind
        }),
        (machine(), lasting(), any::<bool>()).prop_map(|(node, by, back)| NodeFault::ClockJump {
            node,
            by,
            back
        }),
        (machine(), 0.5..=2.0).prop_map(|(node, rate)| NodeFault::ClockDrift { node, rate }),
    ]
}

fn disk_fault() -> impl Strategy<Value = DiskFault> {
    let chance = || option::of(0.0..=1.0);
    let chances = (chance(), chance(), chance(), chance());
    let counts = (option::of(any::<u64>()), option::of(1..u64::MAX), option::of(1..u32::MAX));
    (machine(), chances, any::<bool>(), counts, (option::of(time()), time())).prop_map(
        |(node, chances, full, (capacity, dies_after, rots), (write_time, sync_time))| {
            let (read_fails, write_fails, sync_fails, lies) = chances;
            let sync_time = Some(sync_time);
            DiskFault {
                node,
                read_fails,
                write_fails,
                sync_fails,
                full,
                capacity,
                lies,
                write_time,
                sync_time,
                dies_after,
                rots,
            }
        },
    )
}

fn peer_fault() -> impl Strategy<Value = PeerFault> {
    let plain: Vec<Misdeed> = Misdeed::PLAIN.into_iter().map(|(_, misdeed)| misdeed).collect();
    let claims = "b".to_owned();
    let misdeed = prop_oneof![
        select(plain),
        lasting().prop_map(|every| Misdeed::Trickle { every }),
        Just(Misdeed::WrongOrigin { claims }),
    ];
    let to = select(vec![&[][..], &["b"], &["b", "c-1"]]);
    (misdeed, to, 0.001..=1.0).prop_map(|(misdeed, to, share)| PeerFault {
        node: if misdeed.is_of_relay() { "r1" } else { "a" }.to_owned(),
        to: to.iter().map(|&name| name.to_owned()).collect(),
        share,
        misdeed,
    })
}

fn checks(when: &'static str) -> impl Strategy<Value = Vec<String>> {
    let fitting = CHECKS.iter().filter(move |check| check.kind.word() == when);
    let fitting: Vec<_> = fitting.map(|check| check.name.to_owned()).collect();
    proptest::sample::subsequence(fitting, 0..4)
}

fn expect() -> impl Strategy<Value = Expect> {
    let lists = (checks("always"), checks("eventually"), checks("sometimes"), checks("always"));
    let outcome = outcome();
    let message = (
        option::of(outcome),
        option::of(some(BACKENDS)),
        option::of(some(USERS)),
        option::of(time()),
    );
    let message = message.prop_map(|(outcome, unreachable, seen_by, within)| MessageExpectation {
        outcome,
        unreachable,
        seen_by,
        within,
    });
    (lists, each(&["m0", "m1", "m2"], message)).prop_map(
        |((always, eventually, sometimes, mut violates), messages)| {
            violates.retain(|check| !always.contains(check));
            let only = eventually.iter().take(1).cloned().collect();
            Expect { only, always, eventually, sometimes, violates, messages }
        },
    )
}

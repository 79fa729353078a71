//! Records made by hand, as a run would make them.

use checks::record::{
    CheckKind, CheckRecord, CheckVerdict, Copy, Ended, EventRecord, FaultRecord, Machine,
    MachineKind, Message, Meta, OpOutcome, Presence, Program, Record, ScenarioRecord, Verdict, Why,
};

/// A millisecond in nanoseconds.
pub(crate) const MS: u64 = 1_000_000;

/// Returns a run with three backends, four devices, and one message that everybody saw.
pub(crate) fn pass() -> Record {
    let copies = ["alice/1@a", "alice/2@a", "bob/1@b"].map(|device| copy(device, Some(1_096)));
    Record {
        schema: 2,
        program: Program { name: "fedsim".to_owned(), version: "0.1.0".to_owned() },
        scenario: ScenarioRecord {
            name: "m1-all-up".to_owned(),
            about: "Nothing is broken: a message reaches every device of every member.".to_owned(),
            file: Some("scenarios/library/m1-all-up.toml".to_owned()),
            schedule: None,
            text: "name = \"m1-all-up\"\nseed = 7\n".to_owned(),
        },
        seed: 7,
        verdict: Verdict::Pass,
        sentence: None,
        ready_ns: 500 * MS,
        ended: Ended { at_ns: 177_080 * MS, why: Why::Settled, detail: None },
        nodes: ["a", "b", "c"].map(|name| node(name, MachineKind::Backend)).to_vec(),
        faults: Vec::new(),
        messages: vec![message("m1", OpOutcome::Ok, copies.to_vec())],
        deeds: None,
        skipped: Vec::new(),
        checks: vec![
            check("all-or-nothing", CheckKind::Always, 3, "copies"),
            check("exactly-once", CheckKind::Always, 3, "copies"),
            check("delivered", CheckKind::Eventually, 1, "sends"),
        ],
        events: Vec::new(),
        log_hash: "00ff".to_owned(),
        meta: Meta { wall_ms: 4, ..Meta::default() },
    }
}

/// Returns a run with a cut in the middle of a send: alice saw the message, b never stored it.
pub(crate) fn fail() -> Record {
    let mut record = pass();
    record.scenario.name = "m1-2021-cut-between-check-and-store".into();
    record.scenario.about = "b answers the check, then is cut off before it can store.".into();
    record.verdict = Verdict::Fail;
    record.faults = vec![cut(3, 41), crash(0, 0)];
    let sent = &mut record.messages[0];
    sent.failed_to_send = vec!["b".to_owned()];
    sent.copies[2] = copy("bob/1@b", None);
    let broken = &mut record.checks[0];
    broken.verdict = CheckVerdict::Violated;
    broken.at_ns = Some(1_096 * MS);
    broken.sentence = Some("alice/1 saw m1, and b never stored it".to_owned());
    broken.message = Some("m1".to_owned());
    broken.evidence = vec![17, 18, 19];
    record.events = vec![
        event(17, "a", Some("b"), "request_sent", Some("lost: partition a | b")),
        event(18, "a", Some("c"), "request_sent", Some("200")),
        event(19, "alice/1", None, "first_seen", None),
    ];
    record
}

/// Returns the same run of a design that must break the check.
pub(crate) fn expected_violation() -> Record {
    let mut record = fail();
    record.verdict = Verdict::Pass;
    record.checks[0].must_break = true;
    record
}

/// Returns a run that passes and proves nothing.
pub(crate) fn weak() -> Record {
    let mut record = pass();
    record.scenario.name = "relay-quota".into();
    let mut never = crash(0, 0);
    never.from_ns = None;
    record.faults = vec![cut(0, 0), cut(0, 5), never];
    record.checks[1].judged = 0;
    let mut never = check("relay-full", CheckKind::Sometimes, 0, "sends");
    never.verdict = CheckVerdict::Never;
    record.checks.push(never);
    record
}

/// Returns a run with more of everything than fits on a page, and names that fit in no column.
pub(crate) fn large() -> Record {
    let mut record = fail();
    record.scenario.about = "A hundred backends in rooms of five. ".repeat(20);
    record.nodes = (0..100).map(|n| node(&format!("backend-{n}"), MachineKind::Backend)).collect();
    record.faults = (0..40).map(|n| cut(n % 3, n)).collect();
    record.faults[0].what = format!("partition {} | b", "a-very-long-name, ".repeat(30));
    record.messages = (0..1_200).map(many).collect();
    let kinds = [CheckKind::Always, CheckKind::Eventually];
    let checks = (0..40).map(|n| check(&format!("check-{n}"), kinds[n % 2], 6_000, "copies"));
    record.checks.extend(checks);
    for check in record.checks.iter_mut().skip(12).step_by(4) {
        check.verdict = CheckVerdict::Violated;
        check.sentence = Some("device-1/1 saw m17, and backend-3 never stored it; ".repeat(20));
    }
    record.checks[0].evidence = (1..=60).collect();
    let events = 1..=60;
    record.events = events.map(|n| event(n, "a", Some("b"), "request_sent", Some("200"))).collect();
    record
}

fn many(n: usize) -> Message {
    let devices = (0..5).map(|d| format!("user-{}/1@backend-{}", n + d, (n + d) % 100));
    let seen = |d: usize| (n % 90 != 7 || d != 2).then_some(1_041 + (n as u64 * 7) % 3_000);
    let copies = devices.enumerate().map(|(d, device)| copy(&device, seen(d))).collect();
    let outcome = if n % 100 == 3 { OpOutcome::Indefinite } else { OpOutcome::Ok };
    message(&format!("m{n}"), outcome, copies)
}

fn node(name: &str, kind: MachineKind) -> Machine {
    Machine { name: name.to_owned(), kind }
}

/// Returns a copy at a device, which is given as `bob/1@b`.
fn copy(device: &str, seen_ms: Option<u64>) -> Copy {
    let (device, backend) = device.split_once('@').expect("device@backend");
    Copy {
        device: device.to_owned(),
        backend: backend.to_owned(),
        seen_ns: seen_ms.map(|ms| ms * MS),
        times: u32::from(seen_ms.is_some()),
        presence: Presence::Member,
    }
}

fn message(id: &str, outcome: OpOutcome, copies: Vec<Copy>) -> Message {
    Message {
        id: id.to_owned(),
        from: "carol/1".to_owned(),
        backend: "c".to_owned(),
        conversation: "team".to_owned(),
        sent_ns: 1_000 * MS,
        answered_ns: Some(1_090 * MS),
        outcome,
        unreachable: Vec::new(),
        failed_to_send: Vec::new(),
        copies,
    }
}

fn cut(requests: u64, hits: u64) -> FaultRecord {
    FaultRecord {
        what: "partition a | b".to_owned(),
        when: "when a sent on_message_sent to b (1st)".to_owned(),
        from_ns: Some(1_042 * MS),
        until_ns: Some(21_042 * MS),
        requests,
        hits,
        trigger: Some(17),
    }
}

fn crash(requests: u64, hits: u64) -> FaultRecord {
    FaultRecord {
        what: "crash r1".to_owned(),
        when: "at 25s".to_owned(),
        from_ns: Some(25_000 * MS),
        until_ns: None,
        requests,
        hits,
        trigger: None,
    }
}

fn check(name: &str, kind: CheckKind, judged: u64, of: &str) -> CheckRecord {
    CheckRecord {
        name: name.to_owned(),
        kind,
        verdict: CheckVerdict::Holds,
        must_break: false,
        judged,
        of: of.to_owned(),
        at_ns: None,
        sentence: None,
        message: None,
        evidence: Vec::new(),
    }
}

fn event(n: u64, node: &str, to: Option<&str>, kind: &str, result: Option<&str>) -> EventRecord {
    EventRecord {
        n,
        at_ns: i64::try_from((1_000 + n) * MS).expect("a short time"),
        node: node.to_owned(),
        to: to.map(str::to_owned),
        kind: kind.to_owned(),
        what: "on_message_sent".to_owned(),
        result: result.map(str::to_owned),
        why: None,
        message: Some("m1".to_owned()),
        cause: n.checked_sub(1),
        line: format!("{{\"n\":{n}}}"),
    }
}

/// Returns the failing run with whole exchanges: a client's send, a request that the cut lost, one
/// that came through, and what devices showed.
pub(crate) fn talk() -> Record {
    let mut record = fail();
    let devices = ["alice/1", "bob/1"].map(|name| node(name, MachineKind::Device));
    record.nodes.extend(devices);
    record.faults.truncate(1);
    let said = [
        ("observer", None, "note", "ready", None, None),
        ("alice/1", None, "note", "send-began", None, None),
        ("alice/1", Some("a"), "request_sent", "client_send", Some("200"), Some(3)),
        ("a", None, "request_arrived", "client_send", None, Some(3)),
        ("a", Some("b"), "request_sent", "on_message_sent", Some("lost: partition a | b"), Some(5)),
        ("network", None, "fault_began", "partition a | b", None, None),
        ("a", Some("c"), "request_sent", "on_message_sent", Some("200"), Some(7)),
        ("c", None, "request_arrived", "on_message_sent", None, Some(7)),
        ("c", Some("a"), "answer_sent", "on_message_sent", Some("200"), Some(7)),
        ("a", None, "answer_arrived", "on_message_sent", Some("200"), Some(7)),
        ("a", Some("alice/1"), "answer_sent", "client_send", Some("200"), Some(3)),
        ("alice/1", None, "answer_arrived", "client_send", Some("200"), Some(3)),
        ("alice/1", None, "note", "seen", None, None),
        ("a", None, "request_lost", "on_message_sent", Some("lost: partition a | b"), Some(5)),
        ("network", None, "fault_ended", "partition a | b", None, None),
        ("observer", None, "note", "settled", None, None),
    ];
    record.events = (1..).zip(said).map(|(n, said)| spoken(n, said)).collect();
    record.checks[0].evidence = vec![3, 5, 6, 7, 9, 13, 14];
    record.checks[0].at_ns = u64::try_from(record.events[12].at_ns).ok();
    record
}

/// Who, for whom, the kind, what, the result, and the request that it is about.
type Said = (
    &'static str,
    Option<&'static str>,
    &'static str,
    &'static str,
    Option<&'static str>,
    Option<u64>,
);

fn spoken(n: u64, (from, to, kind, what, result, request): Said) -> EventRecord {
    let mut event = event(n, from, to, kind, result);
    what.clone_into(&mut event.what);
    event.at_ns = i64::try_from(n * 5 * MS).expect("a short time");
    if n > 13 {
        event.at_ns += 10_000_000_000;
    }
    event.message = event.message.filter(|_| !matches!(from, "observer" | "network"));
    let about = request.map(|request| format!(",\"request\":{request}")).unwrap_or_default();
    event.line = format!("{{\"n\":{n}{about}}}");
    event
}

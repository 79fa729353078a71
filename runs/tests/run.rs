//! Whole runs: real homeservers and relays in the simulated world, judged.

use std::time::Duration;

use checks::{
    Run,
    record::{CheckVerdict, OpOutcome, Presence, Record, Verdict},
};
use runs::{Options, run, verdict};
use scenarios::{
    Scenario,
    builder::{crash, partition, pause, sent},
    scenario::{Delivery, NetworkFault, ProxyAnswer},
};

/// Begins a scenario of three backends with a user each, in one conversation; alice sends `m1`
/// after a second.
fn trio(delivery: Delivery) -> scenarios::builder::Builder {
    Scenario::build("trio")
        .backends(["a", "b", "c"])
        .user("alice", "a")
        .user("bob", "b")
        .user("carol", "c")
        .conversation("team", "alice", ["bob", "carol"], delivery)
        .send("m1", "alice", "team")
        .at(Duration::from_secs(1))
}

/// Runs the same scenario, with the owner cut off from `b` between the check (or the vote) and what
/// follows.
fn cut_in_the_window(delivery: Delivery, endpoint: &str) -> Record {
    let begin = sent([endpoint]).from("a").to("b");
    let cut = trio(delivery).fault(begin, partition(["a"], ["b"])).lasting(Duration::from_secs(20));
    run(&cut.finish(), 1, &Options::default()).record
}

/// A seed by which a server that was turned away waits for longer than a second.
const PATIENT: u64 = 2;

/// A front proxy of `b` that turns `a` away: what waits for `b` does so for longer than a moment after
/// that.
fn turned_away() -> NetworkFault {
    let (machine, to) = ("b".to_owned(), vec!["a".to_owned()]);
    NetworkFault::Answers(ProxyAnswer { machine, to, status: 502, retry_after: None, share: 1.0 })
}

fn named<'r>(record: &'r Record, check: &str) -> Option<&'r checks::record::CheckRecord> {
    record.checks.iter().find(|known| known.name == check)
}

#[test]
fn a_message_reaches_everybody_under_every_policy() {
    for delivery in [Delivery::Eventual, Delivery::M1, Delivery::M1Of2021] {
        let Run { record, .. } = run(&trio(delivery).finish(), 1, &Options::default());
        assert_eq!(record.messages[0].outcome, OpOutcome::Ok, "{delivery:?}");
        assert!(record.messages[0].copies.iter().all(|copy| copy.times == 1), "{delivery:?}");
        assert_eq!(named(&record, "delivered").map(|it| it.verdict), Some(CheckVerdict::Holds));
    }
}

#[test]
fn a_cut_in_its_window_breaks_m1_of_2021_and_the_first_sentence_says_what() {
    let record = cut_in_the_window(Delivery::M1Of2021, "on_message_sent");
    assert_eq!(record.verdict, Verdict::Fail);
    let sentence = "all-or-nothing: alice/1 saw m1, b never showed it to bob/1";
    assert_eq!(record.sentence.as_deref(), Some(sentence));
    let check = named(&record, "all-or-nothing").expect("judged");
    assert_eq!(check.message.as_deref(), Some("m1"));
    let shown = |kind: &str| {
        let is_shown = |n: &u64| record.events.iter().any(|it| it.n == *n && it.kind == kind);
        check.evidence.iter().any(is_shown)
    };
    assert!(shown("fault_began") && shown("request_lost") && shown("note"));
    let lost = record.events.iter().find(|it| it.kind == "request_lost").expect("a lost request");
    assert_eq!(lost.result.as_deref(), Some("given up after 10s"));
    assert_eq!(lost.why.as_deref(), Some("partition a | b"));
}

#[test]
fn the_same_cut_does_not_break_m1() {
    for endpoint in ["prepare", "decision"] {
        let record = cut_in_the_window(Delivery::M1, endpoint);
        assert_eq!((record.verdict, record.sentence), (Verdict::Pass, None), "{endpoint}");
        assert!(record.faults[0].hits > 0, "{endpoint}");
    }
}

#[test]
fn the_same_seed_gives_the_same_record_and_another_seed_another() {
    let cut = |seed| {
        let scenario = trio(Delivery::M1).loss(0.1).finish();
        let record = run(&scenario, seed, &Options::default()).record;
        serde_json::to_string(&record).expect("a record is JSON")
    };
    assert!(cut(1) == cut(1), "the same seed");
    assert!(cut(1) != cut(2), "another seed");
}

#[test]
fn a_design_that_was_to_break_and_did_not_is_a_failure() {
    let scenario = trio(Delivery::M1).violates("all-or-nothing").finish();
    let record = run(&scenario, 1, &Options::default()).record;
    assert_eq!(record.verdict, Verdict::Fail);
    let sentence = "the design was expected to break all-or-nothing and did not";
    assert_eq!(record.sentence.as_deref(), Some(sentence));
}

#[test]
fn a_verdict_without_a_record_is_that_of_the_record() {
    let broken = trio(Delivery::M1Of2021)
        .fault(sent(["on_message_sent"]).from("a").to("b"), partition(["a"], ["b"]))
        .lasting(Duration::from_secs(20))
        .finish();
    let never_ready = trio(Delivery::M1)
        .fault(Duration::ZERO, pause("b"))
        .lasting(Duration::from_hours(1))
        .limit(Duration::from_mins(2))
        .finish();
    let mut verdicts = Vec::new();
    for scenario in [trio(Delivery::M1).finish(), broken, never_ready] {
        let record = run(&scenario, 1, &Options::default()).record;
        assert_eq!(verdict(&scenario, 1), (record.verdict, record.sentence));
        verdicts.push(record.verdict);
    }
    assert_eq!(verdicts[..2], [Verdict::Pass, Verdict::Fail]);
}

#[test]
fn what_never_happened_is_a_weakness_of_a_pass() {
    let scenario = trio(Delivery::M1)
        .limit(Duration::from_secs(60))
        .fault(sent(["send_relay"]), pause("b"))
        .always("no-zombie")
        .sometimes("relayed")
        .finish();
    let record = run(&scenario, 1, &Options::default()).record;
    assert_eq!(record.verdict, Verdict::Pass);
    assert_eq!(
        record.weaknesses(),
        [
            "pause b (when anyone sent send_relay (1st)) never began",
            "no-zombie judged nothing",
            "relayed never came about",
        ]
    );
}

#[test]
fn a_device_that_crashed_reads_on_after_its_boot_and_repeats_nothing() {
    let scenario = trio(Delivery::Eventual)
        .fault(Duration::from_millis(500), crash("bob/1"))
        .lasting(Duration::from_secs(10))
        .send("m2", "carol", "team")
        .at(Duration::from_secs(20))
        .finish();
    let record = run(&scenario, 1, &Options::default()).record;
    assert_eq!((record.verdict, record.sentence), (Verdict::Pass, None));
    for message in &record.messages {
        assert!(message.copies.iter().all(|copy| copy.times == 1), "{}", message.id);
    }
}

#[test]
fn a_world_that_does_not_settle_in_its_time_is_unknown() {
    let scenario = trio(Delivery::Eventual)
        .fault(Duration::from_millis(500), turned_away())
        .settle(Duration::from_millis(100))
        .only("sender-order")
        .only("relays-drained")
        .finish();
    let record = run(&scenario, PATIENT, &Options::default()).record;
    assert_eq!(record.verdict, Verdict::Unknown);
    let sentence = record.sentence.expect("a sentence");
    assert!(sentence.starts_with("the world did not settle: a has 1 pending"), "{sentence}");
}

#[test]
fn a_run_with_more_entries_than_it_may_have_is_unknown_and_says_so() {
    let of = |max_entries| {
        let options = Options { max_entries: Some(max_entries), ..Options::default() };
        let record = run(&trio(Delivery::Eventual).finish(), 1, &options).record;
        (record.verdict, record.sentence.unwrap_or_default())
    };
    let sentence = "the cluster was not ready when the journal reached its limit of entries";
    assert_eq!(of(15), (Verdict::Unknown, sentence.to_owned()));
    assert_eq!(of(100_000).0, Verdict::Pass);
}

#[test]
fn a_queue_that_stays_pending_all_the_time_to_settle_is_a_failure() {
    let scenario = trio(Delivery::Eventual)
        .fault(Duration::from_millis(500), turned_away())
        .settle(Duration::from_millis(100))
        .only("queues-drained")
        .finish();
    let record = run(&scenario, PATIENT, &Options::default()).record;
    assert_eq!(record.verdict, Verdict::Fail);
    let sentence = record.sentence.expect("a sentence");
    assert!(sentence.starts_with("queues-drained: a still has 1 pending"), "{sentence}");
}

#[test]
fn what_a_device_that_is_down_was_to_do_is_a_weakness() {
    let scenario = trio(Delivery::Eventual)
        .fault(Duration::from_millis(500), crash("alice/1"))
        .lasting(Duration::from_secs(5))
        .send("m2", "alice", "team")
        .at(Duration::from_secs(20))
        .finish();
    let record = run(&scenario, 1, &Options::default()).record;
    assert_eq!((record.verdict, record.messages.len()), (Verdict::Pass, 1));
    assert_eq!(record.skipped[0].at_ns, 1_000_000_000);
    assert_eq!(record.weaknesses(), ["`send m1` never happened: alice/1 was down"]);
}

#[test]
fn a_device_that_was_no_member_for_a_message_is_marked_so() {
    let text = r#"
        name = "comings-and-goings"
        backends = { a = {}, b = {}, c = {} }
        users.alice = { backend = "a" }
        users.carol = { backend = "c" }
        users.dora = { backend = "b" }
        conversations.team = { creator = "alice", members = ["carol"] }
        ops = [
            { at = "1s", leave = { user = "carol", conversation = "team" } },
            { at = "3s", send = { id = "m1", from = "alice", to = "team" } },
            { at = "9s", join = { user = "dora", conversation = "team" } },
        ]"#;
    let scenario = scenarios::language::parse("x.toml", text).expect("a scenario");
    let record = run(&scenario, 1, &Options::default()).record;
    let copies = record.messages[0].copies.iter();
    let absent = copies.filter(|copy| copy.presence != Presence::Member);
    let absent: Vec<_> = absent.map(|copy| (copy.device.as_str(), copy.presence)).collect();
    assert_eq!(absent, [("carol/1", Presence::Left), ("dora/1", Presence::Later)]);
}

/// Returns when bob first sees `m1`, counted from when everything is ready; `b` turns `a` away for so
/// many seconds, and the servers are set like this.
fn seen_at(turned_away_for: u64, servers: &str) -> Option<Duration> {
    let text = format!(
        r#"
        name = "settings"
        limit = "1h"
        {servers}
        users.alice = {{ backend = "a" }}
        users.bob = {{ backend = "b" }}
        conversations.team = {{ creator = "alice", members = ["bob"] }}
        [[ops]]
        at = "1s"
        send = {{ id = "m1", from = "alice", to = "team" }}
        [[faults]]
        at = "0s"
        for = "{turned_away_for}s"
        answers = {{ node = "b", to = ["a"], status = 502 }}"#
    );
    let scenario = scenarios::language::parse("x.toml", &text).expect("a scenario");
    let record = run(&scenario, 1, &Options::default()).record;
    assert_eq!((record.verdict, &record.sentence), (Verdict::Pass, &None));
    let copy = record.messages[0].copies.iter().find(|copy| copy.device == "bob/1");
    copy.and_then(|copy| copy.seen_ns).map(Duration::from_nanos)
}

#[test]
fn a_homeserver_asks_its_relays_as_often_as_the_scenario_says() {
    let seen = |more: &str| {
        let a = "attempts_before_relay = 1";
        let b = format!("relays = ['r1']{more}");
        seen_at(200, &format!("relays.r1 = {{}}\nbackends = {{ a = {{ {a} }}, b = {{ {b} }} }}"))
    };
    let often = seen(", relay_poll_interval = '2s'").expect("seen");
    assert!(often <= Duration::from_secs(5), "{often:?}");
    let seldom = seen(", relay_poll_interval = '3m'").expect("seen");
    assert!(seldom >= Duration::from_secs(60), "{seldom:?}");
}

#[test]
fn a_homeserver_backs_off_no_longer_than_the_scenario_says() {
    let seen = |set: &str| seen_at(100, &format!("backends = {{ a = {{ {set} }}, b = {{}} }}"));
    let short = seen("backoff_max = '1s'").expect("seen");
    assert!(short <= Duration::from_secs(103), "{short:?}");
    let long = seen("").expect("seen");
    assert!(long >= Duration::from_secs(104), "{long:?}");
}

#[test]
fn a_relay_keeps_mail_for_as_long_as_the_scenario_says() {
    let seen = |set: &str| {
        let a = "attempts_before_relay = 1";
        // A relay looks every ten minutes for what has expired, and not when it has just started.
        let b = "relays = ['r1'], relay_poll_interval = '40m'";
        let relay = format!("relays.r1 = {{ {set} }}");
        seen_at(60, &format!("{relay}\nbackends = {{ a = {{ {a} }}, b = {{ {b} }} }}"))
    };
    assert!(seen("").is_some());
    assert_eq!(seen("time_to_live = '5s'"), None);
}

#[test]
fn a_relay_keeps_the_mail_of_those_whom_the_scenario_names() {
    let seen = |set: &str| {
        let (a, b) = ("attempts_before_relay = 1", "relays = ['r1'], relay_poll_interval = '2s'");
        let relay = format!("relays.r1 = {{ {set} }}");
        seen_at(60, &format!("{relay}\nbackends = {{ a = {{ {a} }}, b = {{ {b} }} }}"))
    };
    assert!(seen("destinations = ['b']").expect("seen") < Duration::from_secs(10));
    assert!(seen("destinations = ['a']").expect("seen") > Duration::from_secs(50));
}

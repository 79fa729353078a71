//! Single values: what is read, and what is used for what is left out.

use std::time::Duration;

use proptest::prelude::*;
use scenarios::{
    Scenario, duration,
    language::{
        faults::{LISTED, Listed},
        ops, parse, to_toml,
    },
    scenario::{
        Delivery, Fault, FaultKind, Latency, NetworkFault, NodeFault, OpKind, Reads, Schedule, When,
    },
};

const SMALLEST: &str = "name = \"x\"\n[backends]\na = {}\n";

fn reading(more: &str) -> Scenario {
    parse("x.toml", &format!("{SMALLEST}{more}")).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn limit(text: &str) -> Option<Duration> {
    let text = format!("limit = \"{text}\"\n{SMALLEST}");
    parse("x.toml", &text).ok().map(|scenario| scenario.limit)
}

#[test]
fn durations_are_numbers_with_units() {
    assert_eq!(limit("500ms"), Some(Duration::from_millis(500)));
    assert_eq!(limit("1h 5m"), Some(Duration::from_mins(65)));
    assert_eq!(limit("1m30s"), Some(Duration::from_secs(90)));
    assert_eq!(limit("7ns"), Some(Duration::from_nanos(7)));
    for wrong in ["", "5", "s", "1.5s", "1 s", "-1s", "1d", "1s,2s", "9000h"] {
        assert_eq!(limit(wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_schedule_is_a_word_or_a_number_of_priorities() {
    let schedule = |text: &str| {
        let text = format!("schedule = {text}\n{SMALLEST}");
        parse("x.toml", &text).ok().map(|scenario| scenario.schedule)
    };
    assert_eq!(schedule("\"fixed\""), Some(Schedule::Fixed));
    assert_eq!(schedule("\"random\""), Some(Schedule::Random));
    assert_eq!(schedule("{ priorities = 3 }"), Some(Schedule::Priorities(3)));
    for wrong in ["\"pct\"", "3", "{}", "{ priorities = 0 }", "{ priorities = 65 }"] {
        assert_eq!(schedule(wrong), None, "{wrong}");
    }
}

#[test]
fn what_is_left_away_has_a_default() {
    let scenario =
        reading("[users]\nu = { backend = \"a\" }\n[conversations]\nc = { creator = \"u\" }");
    assert_eq!((scenario.seed, scenario.limit), (1, Duration::from_mins(1)));
    assert_eq!(scenario.schedule, Schedule::Fixed);
    assert_eq!(scenario.network.latency, Latency::Fixed(Duration::from_millis(5)));
    assert_eq!((scenario.users["u"].devices, scenario.users["u"].reads), (1, Reads::Sync));
    assert_eq!(scenario.conversations["c"].delivery, Delivery::Eventual);
}

#[test]
fn a_trigger_names_one_endpoint_or_several() {
    let when = |sent: &str| {
        let more = format!("[[faults]]\nwhen = {{ sent = {sent} }}\nkill = {{ node = \"a\" }}");
        match &reading(&more).faults[0].when {
            When::Exchange { endpoints, nth, .. } => (endpoints.clone(), *nth),
            other => panic!("not an exchange: {other:?}"),
        }
    };
    assert_eq!(when("\"send\""), (vec!["send".to_owned()], 1));
    assert_eq!(when("[\"decision\", \"on_message_sent\"]").0.len(), 2);
}

#[test]
fn one_letter_switches_the_design_under_test() {
    let delivery = |word: &str| {
        let more = format!(
            "[users]\nu = {{ backend = \"a\" }}\n[conversations]\n\
             c = {{ creator = \"u\", delivery = \"{word}\" }}"
        );
        reading(&more).conversations["c"].delivery
    };
    assert_eq!(delivery("m1"), Delivery::M1);
    assert_eq!(delivery("m1-2021"), Delivery::M1Of2021);
}

#[test]
fn operations_are_put_in_the_order_of_time() {
    let scenario = reading(
        "[users]\nu = { backend = \"a\" }\nv = { backend = \"a\" }\n\
         [[ops]]\nat = \"2s\"\nfetch = { user = \"u\" }\n\
         [[ops]]\nat = \"1s\"\nfetch = { user = \"v\" }",
    );
    let users: Vec<_> = scenario.ops.iter().map(|op| &op.kind).collect();
    assert_eq!(users[0], &OpKind::Fetch { user: "v".to_owned() });
}

#[test]
fn a_device_is_a_machine() {
    let scenario = reading(
        "[users]\nu = { backend = \"a\", devices = 2 }\n\
         [[faults]]\nat = \"1s\"\npause = { node = \"u/2\" }",
    );
    assert_eq!(
        scenario.faults[0].kind,
        FaultKind::Node(NodeFault::Pause { node: "u/2".to_owned() })
    );
    assert_eq!(scenario.machines(), ["a", "u/1", "u/2"]);
    assert!(!scenario.has_machine("u/3") && !scenario.has_machine("u/01"));
}

proptest! {
    #[test]
    fn every_duration_is_read_as_it_is_written(nanos in 0_u64..8760 * 3_600_000_000_000) {
        let duration = Duration::from_nanos(nanos.max(1));
        prop_assert_eq!(limit(&duration::text(duration)), Some(duration));
    }

    /// Nothing that comes from outside may panic.
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z0-9\"=\\[\\]{}, .\n-]{0,200}") {
        if let Err(mistakes) = parse("x.toml", &text) {
            prop_assert!(!mistakes.list().is_empty());
            prop_assert!(!mistakes.render(false).is_empty());
        }
    }
}

#[test]
fn every_example_of_a_fault_is_one() {
    for Listed { key, example, .. } in LISTED.iter().copied().flatten() {
        let text = format!(
            "name = \"x\"\n[backends]\na = {{}}\nb = {{}}\nc = {{}}\n\
             [relays]\nr1 = {{}}\n[[faults]]\nat = \"1s\"\n{key} = {example}\n"
        );
        let scenario = parse("x.toml", &text).unwrap_or_else(|wrong| panic!("{wrong}"));
        // One that stands for several is each of them.
        let meant = if *key == "rolling-restart" { "kill" } else { key };
        assert_eq!(scenario.faults[0].kind.key(), meant);
    }
}

#[test]
fn every_example_of_an_operation_is_one() {
    for Listed { key, example, .. } in ops::LISTED {
        let text = format!(
            "name = \"x\"\n[backends]\na = {{}}\nb = {{}}\n[relays]\nr1 = {{}}\n[users]\n\
             alice = {{ backend = \"a\" }}\nbob = {{ backend = \"b\" }}\n[conversations]\n\
             team = {{ creator = \"bob\", members = [\"alice\"] }}\n[[ops]]\nat = \"1s\"\n\
             send = {{ id = \"m0\", from = \"bob\", to = \"team\" }}\n[[ops]]\nat = \"1s\"\n\
             {key} = {example}\n"
        );
        let scenario = parse("x.toml", &text).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert!(to_toml(&scenario).contains(&format!("{key} = ")), "{key}");
    }
}

#[test]
fn a_rolling_restart_is_a_kill_of_each_machine_in_its_turn() {
    let faults = "b = {}\n[[faults]]\nat = \"10s\"\n\
                  rolling-restart = { of = [\"a\", \"b\"], down = \"2s\", every = \"15s\" }\n";
    let kill = |node: &str, at| {
        let kind = NodeFault::Kill { node: node.to_owned() }.into();
        Fault::new(When::At(Duration::from_secs(at)), Some(Duration::from_secs(2)), kind)
    };
    assert_eq!(reading(faults).faults, [kill("a", 10), kill("b", 25)]);
}

#[test]
fn a_rolling_restart_at_a_request_counts_from_its_first() {
    let faults = "b = {}\n[[faults]]\nwhen = { sent = \"send\" }\n\
                  rolling-restart = { of = [\"a\", \"b\"], down = \"2s\", every = \"15s\" }\n";
    let faults = reading(faults).faults;
    assert_eq!(faults[1].when, When::At(Duration::from_secs(15)));
    assert!(faults[0].id.is_some() && faults[0].id == faults[1].after, "{faults:?}");
}

#[test]
fn who_is_online_now_and_then_is_cut_off_in_between() {
    let text = "limit = \"2m\"\nname = \"x\"\n[backends]\na = {}\n[users]\n\
                alice = { backend = \"a\", online = { for = \"5s\", every = \"1m\" } }\n";
    let faults = parse("x.toml", text).expect("a scenario").faults;
    let cuts: Vec<_> = faults.iter().map(|fault| (fault.when.clone(), fault.lasts)).collect();
    let away = Some(Duration::from_secs(55));
    assert_eq!(cuts, [5, 65].map(|at| (When::At(Duration::from_secs(at)), away)));
    assert!(
        faults.iter().all(|fault| fault.kind.to_string() == "partition alice/1 | a"),
        "{faults:?}"
    );
}

#[test]
fn a_backend_that_is_online_now_and_then_is_cut_off_from_every_server() {
    let text = "limit = \"2m\"\nname = \"x\"\n[backends]\na = {}\n\
                b = { online = { for = \"5s\", every = \"1m\" } }\n[relays.r]\n";
    let faults = parse("x.toml", text).expect("a scenario").faults;
    let cuts: Vec<_> = faults.iter().map(|it| (it.when.clone(), it.kind.to_string())).collect();
    let cut = |at| (When::At(Duration::from_secs(at)), "partition b | a, r".to_owned());
    assert_eq!(cuts, [cut(5), cut(65)]);
}

#[test]
fn an_isolated_machine_is_cut_off_from_relays_too() {
    let scenario = reading(
        "b = {}\n[relays.r]\n[[faults]]\nat = \"1s\"\nfor = \"1s\"\nshape = { isolate = \"a\" }\n",
    );
    let FaultKind::Network(NetworkFault::Shape(shape)) = &scenario.faults[0].kind else {
        panic!("not a shape: {:?}", scenario.faults)
    };
    assert_eq!(shape.members(&scenario.meant_by(shape)), ["b", "r"]);
}

#[test]
fn what_is_set_of_a_server_is_read_as_its_configuration_file_is() {
    let set = |value: &str| {
        let text = format!("[backends.b]\nrelay_poll_interval = {value}\n");
        reading(&text).backends["b"].duration("relay_poll_interval")
    };
    assert_eq!(set("\"1m 30s\""), Duration::from_secs(90));
    assert_eq!(set("\"28d\""), Duration::from_hours(28 * 24));
    assert_eq!(set("250"), Duration::from_millis(250));
    assert_eq!(reading("").backends["a"].duration("relay_poll_interval"), Duration::from_secs(30));
    let relay =
        &reading("[relays.r]\nmax_bytes_per_destination = \"1MiB\"\nforward = true").relays["r"];
    assert_eq!((relay.amount("max_bytes_per_destination"), relay.forwards()), (1 << 20, true));
}

#[test]
fn shorter_words_of_settings_mean_these() {
    let short = reading("[backends.b]\nattempts-before-relay = 1\n[relays.r]\nquota = 2");
    let long = reading(
        "[backends.b]\nattempts_before_relay = 1\n[relays.r]\nmax_entries_per_destination = 2",
    );
    assert_eq!(short, long);
}

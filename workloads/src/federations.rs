//! Whole scenarios: boot, clients, homeservers, checks, verdict.

use std::{sync::Arc, time::Duration};

use checks::record::Verdict;
use runs::{
    Homeservers, Options, run_on, verdict,
    world::{Simulated, Universe},
};
use scenarios::{Scenario, scenario::Delivery};
use turmoil_world::Turmoil;

/// Time for the last messages to arrive.
const GRACE: Duration = Duration::from_secs(10);
/// Members of a room.
const MEMBERS: usize = 3;

/// Runs a scenario, boot to verdict.
///
/// # Errors
/// It did not pass: what it would measure is something else.
pub fn pass(scenario: &Scenario, seed: u64) -> Result<(), String> {
    let (verdict, why) = verdict(scenario, seed);
    passed(scenario, verdict, why)
}

/// Runs a scenario, boot to record: what stock turmoil is compared with.
///
/// # Errors
/// It did not pass.
pub fn pass_recorded(scenario: &Scenario, seed: u64) -> Result<(), String> {
    pass_in(&Simulated, scenario, seed)
}

/// The same in a simulation of stock turmoil: the same nodes, clients, checks and record.
///
/// # Errors
/// It did not pass.
pub fn pass_in_turmoil(scenario: &Scenario, seed: u64) -> Result<(), String> {
    pass_in(&Turmoil, scenario, seed)
}

fn pass_in(universe: &dyn Universe, scenario: &Scenario, seed: u64) -> Result<(), String> {
    let federation = Arc::new(Homeservers::default());
    let record = run_on(universe, federation, scenario, seed, &Options::default()).record;
    passed(scenario, record.verdict, record.sentence)
}

fn passed(scenario: &Scenario, verdict: Verdict, why: Option<String>) -> Result<(), String> {
    match verdict {
        Verdict::Pass => Ok(()),
        other => {
            Err(format!("{} ended with {other:?}: {}", scenario.name, why.unwrap_or_default()))
        }
    }
}

/// Three backends in one `m1` conversation; everybody in turn sends, one message a second.
pub fn three_backends(messages: u64) -> Scenario {
    let users = [("alice", "a"), ("bob", "b"), ("carol", "c")];
    let mut scenario = Scenario::build("three-backends").backends(["a", "b", "c"]);
    for (user, backend) in users {
        scenario = scenario.user(user, backend);
    }
    let all = Delivery::M1;
    scenario = scenario.conversation("team", "alice", ["bob", "carol"], all);
    for (number, (user, _)) in (1..=messages).zip(users.iter().cycle()) {
        scenario = scenario.send(&format!("m{number}"), user, "team");
    }
    scenario.limit(Duration::from_secs(messages) + GRACE).finish()
}

/// As many rooms as backends, each with its own user and those of the next two; every user sends
/// into their own room once a second.
pub fn rooms_of_three(backends: usize, seconds: u64) -> Scenario {
    let names: Vec<_> = (0..backends).map(|number| format!("b{number:03}")).collect();
    let user = |number: usize| format!("u{:03}", number % backends);
    let mut scenario = Scenario::build("rooms-of-three").backends(names.iter().map(String::as_str));
    for (number, name) in names.iter().enumerate() {
        scenario = scenario.user(&user(number), name);
    }
    for number in 0..backends {
        let others: Vec<_> = (1..MEMBERS).map(|after| user(number + after)).collect();
        let others = others.iter().map(String::as_str);
        let room = format!("r{number:03}");
        scenario = scenario.conversation(&room, &user(number), others, Delivery::Eventual);
    }
    for second in 1..=seconds {
        for number in 0..backends {
            let id = format!("m{number:03}-{second}");
            let room = format!("r{number:03}");
            // Spread over the second, as clients that know nothing of each other are.
            let within = Duration::from_secs(1) * u32::try_from(number).unwrap_or(0)
                / u32::try_from(backends).unwrap_or(1);
            let at = Duration::from_secs(second) + within;
            scenario = scenario.send(&id, &user(number), &room).at(at);
        }
    }
    scenario.limit(Duration::from_secs(seconds + 1) + GRACE).finish()
}

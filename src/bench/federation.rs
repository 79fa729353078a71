//! Whole scenarios: boot, clients, homeservers, checks, verdict.

use std::time::Duration;

use scenarios::{
    Scenario,
    record::Verdict,
    run::{Options, run},
    scenario::Delivery,
};

use super::{
    clock::cpu,
    idle::times_real_time,
    row::{Length, Measured},
};

/// Time for the last messages to arrive.
const GRACE: Duration = Duration::from_secs(10);
/// Members of a room.
const MEMBERS: usize = 3;

/// Three backends, one `m1` message a second.
pub(super) fn one_m1_a_second(length: Length) -> Result<Measured, String> {
    let messages = length.pick(600, 30);
    let cpu = run_once(&three_backends(messages), 1)?;
    Ok(times_real_time(Duration::from_secs(messages), cpu))
}

/// A hundred backends, each sending once a second into a room of three.
pub(super) fn hundred_senders(length: Length) -> Result<Measured, String> {
    let (backends, seconds) = (100, length.pick(60, 5));
    let cpu = run_once(&rooms_of_three(backends, seconds), 1)?;
    let mut measured = times_real_time(Duration::from_secs(seconds), cpu);
    measured.detail.push_str(", setup and checks included");
    Ok(measured)
}

/// Runs of the scenario with ten messages, one after another.
pub(super) fn runs_a_second(length: Length) -> Result<Measured, String> {
    let (scenario, runs) = (ten_messages(), length.pick(100, 5));
    let mut spent = Duration::ZERO;
    for seed in 1..=runs {
        spent += run_once(&scenario, seed)?;
    }
    let each = spent.as_secs_f64() / f64::from(u32::try_from(runs).unwrap_or(u32::MAX));
    Ok(Measured {
        figure: 1.0 / each,
        detail: format!("{:.2} ms of CPU a run, mean of {runs} seeds", each * 1e3),
    })
}

/// The scenario that many rows run: three backends, ten `m1` messages.
pub(super) fn ten_messages() -> Scenario {
    three_backends(10)
}

/// Runs it; the CPU time from boot to verdict.
pub(super) fn run_once(scenario: &Scenario, seed: u64) -> Result<Duration, String> {
    let (run, cpu) = cpu(|| run(scenario, seed, &Options::default()));
    match run.record.verdict {
        Verdict::Pass => Ok(cpu),
        other => {
            let why = run.record.sentence.unwrap_or_default();
            Err(format!("{} ended with {other:?}: {why}", scenario.name))
        }
    }
}

/// Three backends in one `m1` conversation; everybody in turn sends, one message a second.
fn three_backends(messages: u64) -> Scenario {
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
fn rooms_of_three(backends: usize, seconds: u64) -> Scenario {
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

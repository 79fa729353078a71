//! `fedsim compare`: what each delivery policy gives and costs, on the same scenario and seeds.

use std::{fs, ops::ControlFlow};

use checks::price::Price;
use explore::{trial::caught, workers};
use reports::comparison::{self, Compared};
use runs::Options;
use scenarios::{Scenario, scenario::Delivery};
use serde_json::json;

use crate::{
    arguments::Compare,
    exit::{Exit, Stop},
    interrupt,
    output::{Output, Tone},
    program::Program,
    select::{self, Selected},
    threads,
};

/// Compares what was asked for.
pub(crate) fn compare(
    wanted: &Compare,
    program: &Program,
    output: &mut Output,
) -> Result<Exit, Stop> {
    let selected = match select::one(&wanted.file, program) {
        Ok(selected) => selected,
        Err(mistakes) => {
            output.mistakes(&[mistakes])?;
            return Ok(Exit::Usage);
        }
    };
    let policies = play(&selected, wanted, program, output)?;
    let lines = comparison::text(&policies);
    for line in &lines {
        output.line(line)?;
    }
    let notes = [
        "delivered: shown to every member; partial: by some backends, and by others never;",
        "p50 p90 p99: from a send to its sight on each other device; the last three: per message",
    ];
    for note in notes {
        output.line(note)?;
    }
    for (name, price) in &policies {
        if price.unknown > 0 {
            let why =
                format!("{name}: {} of {} runs could not be judged", price.unknown, price.runs);
            output.note(&why)?;
        }
        output.object(&object(name, price))?;
    }
    if let Some(plot) = &wanted.plot {
        fs::write(plot, comparison::svg(&selected.scenario.name, &policies)).map_err(|error| {
            Stop::because(Exit::Usage, format!("cannot write {}: {error}", plot.display()))
        })?;
    }
    if interrupt::is_set() {
        output.note(interrupt::ENDED)?;
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::Holds)
}

/// Runs every seed under every policy.
fn play(
    selected: &Selected,
    wanted: &Compare,
    program: &Program,
    output: &mut Output,
) -> Result<Vec<Compared>, Stop> {
    let (seeds, policies) = (wanted.seeds.count(), wanted.policies.len());
    let count = seeds.saturating_mul(policies);
    if !output.quiet {
        let name = &selected.scenario.name;
        let text = format!("{name} under {policies} policies, {seeds} seeds each");
        output.word(Tone::Plain, "Comparing", &text)?;
    }
    let progress = output.begin_progress(count);
    let work = |number: usize| {
        let (policy, seed) = (wanted.policies[number / seeds], wanted.seeds.at(number % seeds));
        let scenario = with(&selected.seeded(seed, program).scenario, policy);
        let mut price = Price::default();
        let played = caught(|| {
            let run = runs::run(&scenario, seed, &Options::default());
            price.add(&run.record, &run.recording);
        });
        progress.inc(1);
        played.map(|()| price)
    };
    let mut prices = vec![Price::default(); policies];
    let (mut number, mut broke) = (0, None);
    let begun = workers::in_order(count, threads::count(wanted.jobs), work, |price| {
        match price {
            Ok(price) => prices[number / seeds].merge(&price),
            Err(why) => broke = Some(why),
        }
        number += 1;
        let is_over = broke.is_some() || interrupt::is_set();
        if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    output.end_progress();
    threads::begun(begun)?;
    if let Some(why) = broke {
        return Err(Stop::because(Exit::Internal, why));
    }
    Ok(wanted.policies.iter().map(|policy| policy.word()).zip(prices).collect())
}

fn with(scenario: &Scenario, delivery: Delivery) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.conversations.values_mut().for_each(|room| room.delivery = delivery);
    scenario
}

fn object(name: &str, price: &Price) -> serde_json::Value {
    json!({
        "type": "policy",
        "policy": name,
        "runs": price.runs,
        "unknown": price.unknown,
        "sent": price.sent,
        "accepted": price.accepted,
        "refused": price.refused,
        "unanswered": price.unanswered,
        "delivered": price.delivered,
        "partial": price.partial,
        "delay_ns": { "p50": price.delay(50), "p90": price.delay(90), "p99": price.delay(99) },
        "requests": price.requests,
        "bytes": price.bytes,
        "durable_bytes": price.durable_bytes,
    })
}

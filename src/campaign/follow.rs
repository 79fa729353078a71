//! `fedsim campaign status`, `tail` and `stop`.

use std::{thread, time::Duration};

use ::campaign::{Key, Picture, Plan, summary};
use reports::campaign::Worker;
use serde_json::json;

use super::{
    find::{self, stop as stop_because},
    report, work,
};
use crate::{
    arguments::Which,
    exit::{Exit, Stop},
    interrupt,
    output::{Output, Tone},
};

/// How often it is looked what is new.
const PACE: Duration = Duration::from_secs(1);

/// Shows how far a campaign is.
pub(crate) fn status(which: &Which, output: &mut Output) -> Result<Exit, Stop> {
    let found = find::find(which)?;
    let (desk, plan) = found.desk()?;
    let picture = desk.picture().clone();
    let told = summary::told(&picture, &plan, &found.named);
    output.word(Tone::Plain, "Campaign", &format!("{}, build {}", plan.id, plan.build))?;
    let tone = report::tone(summary::verdict(&picture));
    output.word(tone, told.status.word(), &told.sentence)?;
    let indent = " ".repeat(reports::line::INDENT);
    for fact in &told.facts {
        output.line(&format!("{indent}{fact}"))?;
    }
    if let Some((_, canary)) = &told.canary {
        output.line(&format!("{indent}{canary}"))?;
    }
    for worker in &told.workers {
        output.line(&format!("{indent}{}", line(worker)))?;
    }
    for failure in &told.failures {
        let text = format!("{}: {} ({} runs)", failure.check, failure.sentence, failure.runs);
        output.word(Tone::Bad, "Found", &text)?;
    }
    for trouble in &told.troubles {
        output.word(Tone::Bad, "Trouble", &format!("{}: {}", trouble.name, trouble.sentence))?;
        output.line(&format!("{indent}{}", trouble.again))?;
    }
    output.object(&object(&picture, &plan))?;
    work::mirror(&found, &picture, &plan);
    Ok(Exit::Holds)
}

fn line(worker: &Worker) -> String {
    format!(
        "{} {}: {} blocks, {} runs, {}.{} runs/s on {} threads",
        worker.name,
        worker.state,
        worker.blocks,
        worker.runs,
        worker.tenths / 10,
        worker.tenths % 10,
        worker.threads
    )
}

/// Returns how far a campaign is, for programs.
pub(super) fn object(picture: &Picture, plan: &Plan) -> serde_json::Value {
    json!({
        "type": "campaign",
        "id": plan.id,
        "build": plan.build,
        "planned": plan.own_runs(),
        "runs": picture.runs(),
        "passed": picture.ended_as('P'),
        "failed": picture.ended_as('F'),
        "unknown": picture.ended_as('U'),
        "blocks": picture.blocks.len(),
        "results": picture.results.len(),
        "audits": picture.audits.len(),
        "differ": picture.audits.values().filter(|it| !it.differ.is_empty()).count(),
        "given_up": picture.poison.len(),
        "findings": picture.findings.len(),
        "shrunk": picture.small.len(),
        "situations": picture.situations.len(),
        "canaries": picture.canaries.values().filter(|it| it.check.is_some()).count(),
        "workers": picture.workers.keys().filter(|name| picture.is_here(name)).count(),
        "finished": picture.is_finished(),
        "stopped": picture.stopped,
        "verdict": summary::verdict(picture).word(),
    })
}

/// Shows what is new, until the campaign is finished or stopped.
pub(crate) fn tail(which: &Which, output: &mut Output) -> Result<Exit, Stop> {
    let found = find::find(which)?;
    let (desk, plan) = found.desk()?;
    let mut new: Vec<Key> = desk.picture().findings.keys().cloned().map(Key::Finding).collect();
    loop {
        let picture = desk.picture().clone();
        for key in &new {
            tell(key, &picture, output)?;
        }
        work::mirror(&found, &picture, &plan);
        if picture.is_finished() || picture.stopped.is_some() {
            for fact in summary::facts(&picture, &plan).iter().take(1) {
                output.word(Tone::Plain, "Campaign", fact)?;
            }
            output.object(&object(&picture, &plan))?;
            return Ok(Exit::Holds);
        }
        if interrupt::is_set() {
            return Ok(Exit::Interrupted);
        }
        thread::park_timeout(PACE);
        new = desk.look().map_err(|trouble| stop_because(&trouble))?;
    }
}

fn tell(key: &Key, picture: &Picture, output: &mut Output) -> Result<(), Stop> {
    match key {
        Key::Finding(hash) => {
            let Some(it) = picture.findings.get(hash) else { return Ok(()) };
            let text = format!("block {}: {}: {}", it.block, it.check, it.sentence);
            output.word(Tone::Bad, "Found", &text)?;
            output.object(
                &json!({ "type": "finding", "check": it.check, "sentence": it.sentence }),
            )?;
        }
        Key::Shrunk(hash) => {
            let Some(it) = picture.small.get(hash) else { return Ok(()) };
            let text = format!("to {} faults, {} operations", it.faults.len(), it.ops);
            output.word(Tone::Plain, "Shrunk", &text)?;
        }
        Key::Audit(number) => {
            let Some(it) = picture.audits.get(number).filter(|it| !it.differ.is_empty()) else {
                return Ok(());
            };
            let text = format!("block {number}: {} and {} saw something else", it.first, it.second);
            output.word(Tone::Bad, "Differs", &text)?;
        }
        Key::Result(_) => {
            let text = format!("{} runs, {} situations", picture.runs(), picture.situations.len());
            output.progress_says(text);
        }
        _ => {}
    }
    Ok(())
}

/// Has all workers stop.
pub(crate) fn stop(which: &Which, output: &mut Output) -> Result<Exit, Stop> {
    let found = find::find(which)?;
    let (desk, plan) = found.desk()?;
    let state = desk.picture().stopped_because("somebody asked for it");
    desk.replace(&Key::State, &state).map_err(|trouble| stop_because(&trouble))?;
    let named = &found.named;
    let again = format!("`{} campaign resume {}` goes on", named.command, named.to);
    output.word(Tone::Plain, "Stopped", &format!("{}; {again}", plan.id))?;
    output.object(&json!({ "type": "stopped", "id": plan.id }))?;
    Ok(Exit::Holds)
}

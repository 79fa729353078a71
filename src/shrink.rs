//! `fedsim shrink`: makes a scenario that violates a check as small as it goes.

use explore::{Subject, Trial, trial::End};
use reports::folder;
use scenarios::{Scenario, language};
use serde_json::json;

use crate::{
    arguments::Shrink,
    exit::{Exit, Stop},
    interrupt,
    output::Output,
    replay,
};

/// Shrinks what was named, and prints what is left as a scenario file or a test.
pub(crate) fn shrink(wanted: &Shrink, output: &mut Output) -> Result<Exit, Stop> {
    let scenario = match read(wanted)? {
        Ok(scenario) => scenario,
        Err(mistakes) => {
            output.mistakes(&[mistakes])?;
            return Ok(Exit::Usage);
        }
    };
    let subject = Subject::homeservers();
    let check = match &wanted.check {
        Some(check) => check.clone(),
        None => violated(&subject.play(&scenario))?,
    };
    let Some(shrunk) = explore::shrink(&subject, &scenario, &check, interrupt::flag()) else {
        let message = format!("this scenario does not violate {check}\nname another with --check");
        return Err(Stop::because(Exit::Usage, message));
    };
    if wanted.as_test {
        output.line(&shrunk.to_test())?;
    } else {
        output.line(&shrunk.to_toml())?;
    }
    output.object(&json!({
        "type": "shrunk",
        "check": shrunk.violation.check,
        "sentence": shrunk.violation.sentence,
        "faults": shrunk.size().0,
        "operations": shrunk.size().1,
        "runs": shrunk.runs,
        "story": shrunk.story(),
        "scenario": shrunk.to_toml(),
    }))?;
    Ok(Exit::Violated)
}

/// Reads the scenario of a run or a file.
fn read(wanted: &Shrink) -> Result<Result<Scenario, language::Mistakes>, Stop> {
    let path = &wanted.failing;
    let is_record = path.extension().is_some_and(|extension| extension == "json");
    let read = if path.is_dir() || is_record {
        let path = if path.is_dir() { path.join(folder::RECORD) } else { path.clone() };
        let record = replay::read(&path)?;
        let shown = format!("the scenario in {}", path.display());
        let scenario = language::parse(&shown, &record.scenario.text);
        scenario.map(|scenario| Scenario { seed: record.seed, ..scenario })
    } else {
        language::load(path)
    };
    let seeded = |scenario| match wanted.seed {
        Some(seed) => Scenario { seed, ..scenario },
        None => scenario,
    };
    Ok(read.map(seeded))
}

/// Returns the most serious check that a run violated.
fn violated(trial: &Trial) -> Result<String, Stop> {
    match &trial.end {
        End::Violated(violations) => {
            Ok(violations.first().map(|it| it.check.clone()).unwrap_or_default())
        }
        End::Passed => {
            Err(Stop::because(Exit::Usage, "this scenario passes: there is nothing to shrink"))
        }
        End::Unknown(why) => {
            Err(Stop::because(Exit::Inconclusive, format!("this run could not be judged: {why}")))
        }
    }
}

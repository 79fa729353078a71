//! `fedsim list`: what scenario files can name, and the scenarios themselves.

use scenarios::{language::names::NAMES, scenario::ENDPOINTS};
use serde_json::json;

use crate::{
    arguments::{List, What},
    exit::{Exit, Stop},
    output::Output,
    select,
};

/// A fault: its key, how it is written, and what it means.
struct Listed {
    name: &'static str,
    example: &'static str,
    means: &'static str,
}

/// Every kind of fault, each with its one meaning.
const FAULTS: &[Listed] = &[
    Listed {
        name: "partition",
        example: "{ between = [\"a\"], and = [\"b\"], one-way = false }",
        means: "cuts the links between two groups; senders retransmit, and give up in the end",
    },
    Listed {
        name: "split",
        example: "{ groups = [[\"a\"], [\"b\"]] }",
        means: "cuts the links between any two of several groups",
    },
    Listed {
        name: "link",
        example: "{ between = [\"a\"], and = [\"b\"], latency = \"2s\", loss = 0.1 }",
        means: "changes latency and loss between two groups",
    },
    Listed {
        name: "crash",
        example: "{ node = \"a\", disk = \"lose-unsynced\" }",
        means: "power loss: silent at once, what was not synced is lost; boots when it ends",
    },
    Listed {
        name: "kill",
        example: "{ node = \"a\" }",
        means: "the process dies, the kernel lives and closes its connections; starts when it ends",
    },
    Listed {
        name: "pause",
        example: "{ node = \"a\" }",
        means: "the process is not scheduled; its kernel still acknowledges",
    },
    Listed {
        name: "disk",
        example: "{ node = \"a\", full = true }",
        means: "the disk is full, fails (failing = true), or is slow (sync = \"50ms\")",
    },
];

/// Prints the list that was asked for.
pub(crate) fn list(wanted: &List, output: &mut Output) -> Result<Exit, Stop> {
    match &wanted.what {
        What::Scenarios(files) => return scenarios(files, output),
        What::Checks => checks(output)?,
        What::Faults => faults(output)?,
        What::Endpoints => endpoints(output)?,
    }
    Ok(Exit::Holds)
}

fn scenarios(files: &crate::arguments::Files, output: &mut Output) -> Result<Exit, Stop> {
    let selected = match select::load(files)? {
        Ok(selected) => selected,
        Err(mistakes) => {
            output.mistakes(&mistakes)?;
            return Ok(Exit::Usage);
        }
    };
    let names = selected.iter().map(|one| one.scenario.name.chars().count()).max().unwrap_or(0);
    for one in &selected {
        let scenario = &one.scenario;
        let tags = scenario.tags.join(", ");
        output.line(format!("{:<names$}  {tags}", scenario.name).trim_end())?;
        output.object(&json!({
            "type": "scenario",
            "scenario": scenario.name,
            "file": one.path.display().to_string(),
            "about": scenario.about,
            "tags": scenario.tags,
            "seed": scenario.seed,
        }))?;
    }
    Ok(Exit::Holds)
}

fn checks(output: &mut Output) -> Result<(), Stop> {
    let names = NAMES.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, judged) in NAMES {
        output.line(&format!("{name:<names$}  {judged}"))?;
        output.object(&json!({ "type": "check", "check": name, "judged": judged }))?;
    }
    Ok(())
}

fn faults(output: &mut Output) -> Result<(), Stop> {
    for Listed { name, example, means } in FAULTS {
        output.line(&format!("{name:<9}  {means}"))?;
        output.line(&format!("{:<9}  {name} = {example}", ""))?;
        let example = format!("{name} = {example}");
        output.object(&json!({
            "type": "fault", "fault": name, "means": means, "example": example
        }))?;
    }
    Ok(())
}

fn endpoints(output: &mut Output) -> Result<(), Stop> {
    for (name, method, path) in ENDPOINTS {
        output.line(&format!("{name:<18}  {method:<4}  {path}"))?;
        output.object(&json!({
            "type": "endpoint", "endpoint": name, "method": method, "path": path
        }))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use scenarios::{language, scenario::FaultKind};

    use super::*;

    /// Has no wildcard, so that a new kind of fault cannot be forgotten here.
    fn name(kind: &FaultKind) -> &'static str {
        match kind {
            FaultKind::Partition { .. } => "partition",
            FaultKind::Split { .. } => "split",
            FaultKind::Link { .. } => "link",
            FaultKind::Crash { .. } => "crash",
            FaultKind::Kill { .. } => "kill",
            FaultKind::Pause { .. } => "pause",
            FaultKind::Disk { .. } => "disk",
        }
    }

    #[test]
    fn every_example_of_a_fault_is_one() {
        for Listed { name: key, example, .. } in FAULTS {
            let text = format!(
                "name = \"x\"\n[backends]\na = {{}}\nb = {{}}\n\
                 [[faults]]\nat = \"1s\"\n{key} = {example}\n"
            );
            let scenario =
                language::parse("x.toml", &text).unwrap_or_else(|wrong| panic!("{wrong}"));
            assert_eq!(name(&scenario.faults[0].kind), *key);
        }
    }
}

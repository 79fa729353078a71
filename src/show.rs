//! `fedsim show`: the journal of a run for terminals, or the part of it that was asked for.

use std::{
    collections::BTreeSet,
    env,
    io::{self, IsTerminal, Write},
    process::{Child, Command, Stdio},
};

use reports::journal::{self, Filter, Which};
use scenarios::language::names::closest;

use crate::{
    arguments::Show,
    exit::{Exit, Stop},
    kept::{self, KeptRun},
    output::Output,
};

/// What shows long output page by page if the environment names nothing else: it ends by itself
/// when everything fits, and leaves the text on the screen.
const PAGER: &str = "less -FRX";

/// Shows what was asked for.
pub(crate) fn show(wanted: &Show, output: &mut Output) -> Result<Exit, Stop> {
    let run = kept::read(&kept::record(&wanted.run)?)?;
    let filter = filter(wanted, &run)?;
    let events = filter.of(&run.record);
    if events.is_empty() {
        let message = "no entry of the journal is like that\nleave out some of the filters";
        return Err(Stop::because(Exit::NothingSelected, message));
    }
    if output.is_json() {
        for event in &events {
            output.object(&serde_json::json!(event))?;
        }
        return Ok(Exit::Holds);
    }
    let lines = journal::lines(&run.source(), &events, wanted.bodies);
    print(&lines, wanted.no_pager, output)?;
    Ok(Exit::Holds)
}

fn filter(wanted: &Show, run: &KeptRun) -> Result<Filter, Stop> {
    let known = |n: u64| {
        let is_there = run.record.events.iter().any(|event| event.n == n);
        let last = run.record.events.last().map_or(0, |event| event.n);
        let message = format!("there is no entry {n}: the journal has 1 to {last}");
        if is_there { Ok(n) } else { Err(Stop::because(Exit::Usage, message)) }
    };
    let record = &run.record;
    if let (Some(from), Some(to)) = (wanted.from, wanted.to)
        && from > to
    {
        let message = "--from is after --to, so that no entry is in between\nexchange the two";
        return Err(Stop::because(Exit::Usage, message));
    }
    let events = &record.events;
    let machines = events.iter().flat_map(|it| [Some(&it.node), it.to.as_ref()]).flatten();
    let machines: BTreeSet<&str> = machines.map(String::as_str).collect();
    wanted.node.iter().try_for_each(|it| must_be_known("machine", it, &machines))?;
    if let Some(message) = &wanted.message {
        let messages = events.iter().filter_map(|it| it.message.as_deref()).collect();
        must_be_known("message", message, &messages)?;
    }
    if let Some(endpoint) = &wanted.endpoint {
        let requests = events.iter().filter(|it| it.kind == "request_sent");
        must_be_known("endpoint", endpoint, &requests.map(|it| it.what.as_str()).collect())?;
    }
    if let Some(check) = wanted.evidence.as_ref().filter(|check| !check.is_empty()) {
        let checks = record.checks.iter();
        must_be_known("check", check, &checks.clone().map(|it| it.name.as_str()).collect())?;
        if checks.filter(|it| it.name == *check).all(|it| it.evidence.is_empty()) {
            let message = format!("`{check}` was not violated, and so there is no evidence");
            return Err(Stop::because(Exit::NothingSelected, message));
        }
    }
    let which = match (wanted.why, wanted.around, &wanted.evidence) {
        (Some(n), ..) => Which::Why(known(n)?),
        (_, Some(n), _) => Which::Around(known(n)?),
        (_, _, Some(check)) => Which::Evidence(check.clone()),
        _ => Which::All,
    };
    Ok(Filter {
        which,
        nodes: wanted.node.iter().cloned().collect::<BTreeSet<String>>(),
        from_ns: wanted.from,
        to_ns: wanted.to,
        message: wanted.message.clone(),
        endpoint: wanted.endpoint.clone(),
    })
}

/// The most names that are listed.
const LISTED: usize = 20;

/// Refuses a name that nothing in the journal has.
fn must_be_known(kind: &str, given: &str, known: &BTreeSet<&str>) -> Result<(), Stop> {
    if known.contains(given) {
        return Ok(());
    }
    let help = match closest(given, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("this run has no {kind}"),
        None => {
            let more = if known.len() > LISTED { " .." } else { "" };
            let listed: Vec<&str> = known.iter().take(LISTED).copied().collect();
            format!("there are {}{more}", listed.join(", "))
        }
    };
    let message = format!("no {kind} of this run is called `{given}`\n{help}");
    Err(Stop::because(Exit::NothingSelected, message))
}

/// Prints lines, by a pager if a person reads them.
fn print(lines: &[String], no_pager: bool, output: &mut Output) -> Result<(), Stop> {
    let pager = if no_pager || !io::stdout().is_terminal() { None } else { begin_pager() };
    let Some(mut pager) = pager else {
        for line in lines {
            output.line(line)?;
        }
        return Ok(());
    };
    if let Some(mut input) = pager.stdin.take() {
        for line in lines {
            // Whoever has seen enough closes the pager.
            if writeln!(input, "{line}").is_err() {
                break;
            }
        }
    }
    pager.wait()?;
    Ok(())
}

/// Begins the pager that the environment names; none if it cannot be begun.
fn begin_pager() -> Option<Child> {
    let named = env::var("PAGER").unwrap_or_else(|_| PAGER.to_owned());
    let mut words = named.split_whitespace();
    let mut command = Command::new(words.next()?);
    command.args(words).stdin(Stdio::piped()).spawn().ok()
}

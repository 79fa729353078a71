//! `fedsim show`: the journal of a run for terminals, or the part of it that was asked for.

use std::{
    collections::BTreeSet,
    env,
    io::{self, IsTerminal, Write},
    process::{Child, Command, Stdio},
};

use reports::journal::{self, Filter, Which};

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

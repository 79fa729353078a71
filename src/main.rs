//! The command `fedsim`: runs scenarios in the simulated world and reports what they proved.
//!
//! Reading order: [`arguments`] has the subcommands and flags, [`run`] is the main subcommand; each
//! other subcommand has a file of its own. [`exit`] has the exit codes. [`output`] prints: results
//! on standard output, progress and diagnostics on standard error.

mod arguments;
mod bench;
mod check;
mod compare;
mod defects;
mod divergence;
mod exit;
mod explore;
mod interrupt;
mod invocation;
mod judge;
mod kept;
mod list;
mod live;
mod output;
mod replay;
mod report;
mod run;
mod schema;
mod seeds;
mod select;
mod show;
mod shrink;
mod stopwatch;
mod threads;
mod trial;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    arguments::{Arguments, Command},
    exit::{Exit, Stop},
    output::Output,
};

/// Runs of many machines make many small allocations. This allocator replaces C's `malloc` too, so
/// that SQLite uses it: with the system's, a third of a short run's time went into pages that were
/// given back to the kernel and taken again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.global.color.write_global();
    let mut output = Output::new(arguments.global);
    let done = match &arguments.command {
        Command::Run(wanted) => run::run(wanted, &mut output),
        Command::Explore(wanted) => explore::explore(wanted, &mut output),
        Command::Shrink(wanted) => shrink::shrink(wanted, &mut output),
        Command::Defects(wanted) => defects::defects(wanted, &mut output),
        Command::Compare(wanted) => compare::compare(wanted, &mut output),
        Command::Replay(wanted) => replay::replay(wanted, &mut output),
        Command::Report(wanted) => report::report(wanted, &mut output),
        Command::Show(wanted) => show::show(wanted, &mut output),
        Command::Judge(wanted) => judge::judge(wanted, &mut output),
        Command::Check(wanted) => check::check(wanted, &mut output),
        Command::List(wanted) => list::list(wanted, &mut output),
        Command::Bench(wanted) => bench::bench(wanted, &mut output),
        Command::Schema(wanted) => schema::schema(wanted, &mut output),
    };
    let exit = done.unwrap_or_else(|stop| stopped(stop, &mut output));
    ExitCode::from(exit.code())
}

/// Says why nothing more can be done, unless nobody is reading anymore.
fn stopped(stop: Stop, output: &mut Output) -> Exit {
    let (exit, message) = match stop {
        Stop::NobodyReads => return Exit::NobodyReads,
        Stop::Because(exit, message) => (exit, message),
    };
    match output.refusal(&message) {
        Ok(()) => exit,
        Err(_) => Exit::NobodyReads,
    }
}

//! `fedsim campaign`: searches that many machines share.

mod alone;
mod find;
mod follow;
mod report;
mod start;
mod work;

use std::time::Duration;

use ::campaign::{
    key::is_name,
    queue::{LONGEST_LEASE, SHORTEST_LEASE},
};

use crate::{
    arguments::{Act, Campaign},
    exit::{Exit, Stop},
    output::Output,
    program::Program,
};

/// What the help of `fedsim campaign start` says besides the flags.
pub(crate) const HELP: &str = "\
On one machine, without any service:

  fedsim campaign start scenarios/library --time 10m
  fedsim campaign status                       # in another terminal

On many, with a NATS server that has JetStream (build with --features nats):

  fedsim campaign start scenarios/library --runs 1000000 --nats nats://host:4222
  fedsim campaign worker --nats nats://host:4222          # on each machine
  fedsim campaign report --nats nats://host:4222

docs/campaigns.md walks through both.";

/// Does with campaigns what was asked for.
pub(crate) fn campaign(
    wanted: &Campaign,
    program: &Program,
    output: &mut Output,
) -> Result<Exit, Stop> {
    match &wanted.act {
        Act::Start(wanted) => start::start(wanted, program, output),
        Act::Worker(wanted) => work::worker(wanted, program, output),
        Act::Status(which) => follow::status(which, output),
        Act::Tail(which) => follow::tail(which, output),
        Act::Stop(which) => follow::stop(which, output),
        Act::Resume(wanted) => work::resume(wanted, program, output),
        Act::Report(which) => report::report(which, output),
    }
}

/// Reads the name of a campaign.
pub(crate) fn id(text: &str) -> Result<String, String> {
    if is_name(text) {
        return Ok(text.to_owned());
    }
    Err("a name has letters, digits, `-` and `_`, and at most 64 of them".to_owned())
}

/// Reads how long a lease is.
pub(crate) fn lease(text: &str) -> Result<Duration, String> {
    let lease = scenarios::duration::parse(text)?;
    if !(SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease) {
        return Err("a lease is from 2s to 1h long".to_owned());
    }
    Ok(lease)
}

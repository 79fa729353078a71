//! `fedsim campaign worker --alone BLOCK`: plays a block in this process alone.

use ::campaign::{Desk, Key, Plan, alone};
use serde_json::json;

use super::find::stop;
use crate::{
    build,
    exit::{Exit, Stop},
    interrupt,
    output::{Output, Tone},
    program::Program,
};

/// Plays it, and says of each run what came of it and which journal it wrote. Nothing is written down:
/// whoever looks for what ends workers sees the last run that ended.
pub(super) fn play(
    number: u64,
    desk: &Desk<'_>,
    plan: &Plan,
    program: &Program,
    output: &mut Output,
) -> Result<Exit, Stop> {
    let _known = desk.queue.read(&Key::Block(number)).map_err(|trouble| stop(&trouble))?;
    let mut exit = Exit::Holds;
    let mut broke = None;
    let played = alone::play(desk, plan, (number, build::known()?), &program.subject(), |run| {
        let (tone, word) = match run.end {
            'P' => (Tone::Good, "PASS"),
            'F' => (Tone::Bad, "FAIL"),
            _ => (Tone::Doubtful, "UNKNOWN"),
        };
        if run.end == 'F' {
            exit = Exit::Violated;
        }
        let text = format!("seed {}  journal {}  {}", run.seed, run.hash, run.sentence);
        let shown = output.word(tone, word, text.trim_end()).and_then(|()| {
            output.object(&json!({
                "type": "run",
                "seed": run.seed,
                "log_hash": run.hash,
                "sentence": run.sentence,
            }))
        });
        broke = shown.err();
        broke.is_none() && !interrupt::is_set()
    });
    played.map_err(|trouble| stop(&trouble))?;
    broke.map_or(Ok(exit), |error| Err(error.into()))
}

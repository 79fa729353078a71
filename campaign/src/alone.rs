//! Plays a block once more, and writes nothing down: for looking at what ends workers, or differs.

use std::ops::ControlFlow;

use explore::{Subject, trial::End};

use crate::{
    block::Block,
    desk::Desk,
    key::Key,
    plan::Plan,
    play::{self, Made},
    queue::Trouble,
};

/// A run of a block.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// How it ended, as in [`crate::block::Outcome::ends`].
    pub end: char,
    /// The hash of its journal; empty if there is none.
    pub hash: String,
    /// What it violated, or why it could not be judged; empty for a pass.
    pub sentence: String,
}

/// Plays the block of this number with the build of this name, until `each` returns false.
///
/// # Errors
/// The block is not there, or is for another build.
pub fn play(
    desk: &Desk<'_>,
    plan: &Plan,
    (number, build): (u64, &str),
    subject: &Subject,
    mut each: impl FnMut(Run) -> bool,
) -> Result<(), Trouble> {
    let body = desk.queue.read(&Key::Block(number))?;
    let block = body.and_then(|body| serde_json::from_slice::<Block>(&body).ok());
    let missing = || Trouble::new(format!("the campaign {} has no block {number}", plan.id));
    let block = block.ok_or_else(missing)?;
    play::check(&block, plan, build)?;
    let vocabulary = (subject.found)().promises().vocabulary;
    let (text, scenario) = (desk.text(&block.text)?, desk.scenario(vocabulary, &block.text)?);
    let of = Made { text: &text, scenario: &scenario };
    play::block(subject, &block, &of, true, |ran| {
        let (end, sentence) = match &ran.trial.end {
            End::Passed => ('P', String::new()),
            End::Unknown(why) => ('U', why.clone()),
            End::Violated(violations) => {
                let first = violations.first();
                let sentence = first.map(|it| format!("{}: {}", it.check, it.sentence));
                ('F', sentence.unwrap_or_default())
            }
        };
        let run = Run { seed: ran.seed, end, hash: ran.hash.unwrap_or_default(), sentence };
        Ok(if each(run) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })
    .map(drop)
}

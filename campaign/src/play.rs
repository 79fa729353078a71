//! Plays a block, run by run.

use std::ops::ControlFlow;

use explore::{Subject, Trial, offspring};
use scenarios::{Scenario, Vocabulary, language};

use crate::{
    block::{Block, MOST_RUNS, Way},
    clock,
    plan::Plan,
    queue::Trouble,
};

/// Refuses a block that this worker must not play: one of another build or campaign, or too large.
pub(crate) fn check(block: &Block, plan: &Plan, build: &str) -> Result<(), Trouble> {
    let number = block.number;
    if block.build != build {
        let message = format!(
            "block {number} is for build {}, and this worker is build {build}: two builds may play \
             the same scenario differently\ngive every machine the same program file",
            block.build
        );
        return Err(Trouble::of_item(message));
    }
    if block.campaign != plan.id {
        return Err(Trouble::of_item(format!(
            "block {number} is of the campaign {}",
            block.campaign
        )));
    }
    if block.count > MOST_RUNS || block.count == 0 {
        let message =
            format!("block {number} has {} runs, and a worker plays 1 to {MOST_RUNS}", block.count);
        return Err(Trouble::of_item(message));
    }
    Ok(())
}

/// A run of a block.
pub(crate) struct Ran<'r> {
    /// Its seed.
    pub(crate) seed: u64,
    /// What was played.
    pub(crate) scenario: &'r Scenario,
    /// What came of it.
    pub(crate) trial: &'r Trial,
    /// How long it took, in milliseconds.
    pub(crate) wall_ms: u64,
    /// The hash of its journal, if that was asked for and there is one.
    pub(crate) hash: Option<String>,
}

/// What a block is made of.
pub(crate) struct Made<'m> {
    /// The text of its scenario.
    pub(crate) text: &'m str,
    /// The scenario.
    pub(crate) scenario: &'m Scenario,
}

/// Plays a block, and tells `each` of every run, in the order of the seeds, until that
/// breaks it off. Returns whether all runs were made.
pub(crate) fn block(
    subject: &Subject,
    block: &Block,
    of: &Made<'_>,
    hashed: bool,
    mut each: impl FnMut(Ran<'_>) -> Result<ControlFlow<()>, Trouble>,
) -> Result<bool, Trouble> {
    let vocabulary = (subject.found)().promises().vocabulary;
    let places = match block.way {
        Way::Seeds => Vec::new(),
        Way::Bred => subject.play(of.scenario).places,
    };
    for seed in block.seeds() {
        let played = of.under(vocabulary, block.way, &places, seed);
        let began = clock::ms();
        let (trial, hash) =
            if hashed { subject.play_hashed(&played) } else { (subject.play(&played), None) };
        let wall_ms = clock::ms().saturating_sub(began);
        let told = each(Ran { seed, scenario: &played, trial: &trial, wall_ms, hash })?;
        if told.is_break() {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Made<'_> {
    /// Returns what is played with a seed.
    fn under(
        &self,
        vocabulary: &'static Vocabulary,
        way: Way,
        places: &[explore::places::Place],
        seed: u64,
    ) -> Scenario {
        match way {
            Way::Bred => offspring::child(vocabulary, self.scenario, places, seed),
            // A generated world is drawn anew from each seed.
            Way::Seeds if self.text.contains("generate") => {
                let drawn = language::parse_seeded_in(vocabulary, "", self.text, seed);
                let same = |_| Scenario { seed, ..self.scenario.clone() };
                drawn.map_or_else(same, |drawn| Scenario { seed, ..drawn })
            }
            Way::Seeds => Scenario { seed, ..self.scenario.clone() },
        }
    }
}

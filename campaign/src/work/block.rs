//! Plays a block for the first time.

use std::ops::ControlFlow;

use explore::{Trial, failure::Signature, trial::End};
use scenarios::{Scenario, language};

use super::{Did, Hand};
use crate::{
    block::{Block, Failed, Finding, LARGEST_TEXT, MOST_FAILURES, Outcome, Parent, Reached, cut},
    clock,
    desk::{check_text, hash_of},
    key::{Item, Key},
    now_ms, plan,
    play::{self, Made, Ran},
    queue::{Kept, Trouble},
};

/// The most kinds of failures of a campaign: more of them are counted with the first ones.
const MOST_FINDINGS: usize = 1_000;
/// The most situations of a campaign.
const MOST_SITUATIONS: usize = 200_000;
/// The file of a finding that has the scenario as it was found.
pub(crate) const FOUND: &str = "found.toml";
/// What stands for a kind of failure that is one too many, or whose scenario is too large.
const OTHERS: &str = "others";

impl Hand<'_> {
    pub(super) fn block(&self, number: u64) -> Result<Did, Trouble> {
        let block = self.read_block(number)?;
        let vocabulary = (self.subject.found)().promises().vocabulary;
        let (text, scenario) =
            (self.desk.text(&block.text)?, self.desk.scenario(vocabulary, &block.text)?);
        let of = Made { text: &text, scenario: &scenario };
        let (at_ms, began) = (now_ms(), clock::ms());
        let hashed = self.plan.audits(number);
        let mut outcome = Outcome {
            worker: self.name.clone(),
            build: self.build.to_owned(),
            at_ms,
            wall_ms: 0,
            simulated_ns: 0,
            ends: String::new(),
            failures: Vec::new(),
            first_unknown: None,
            hashes: Vec::new(),
        };
        let is_whole = play::block(self.subject, &block, &of, hashed, |ran| {
            self.take(&block, &ran, &mut outcome)?;
            Ok(if self.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if !is_whole && outcome.ends.len() < block.count as usize {
            return Ok(Did::Nothing);
        }
        outcome.wall_ms = clock::ms().saturating_sub(began);
        let did = self.end(&Item::Block(number), outcome)?;
        if hashed {
            self.desk.queue.offer(&Item::Audit(number))?;
        }
        Ok(did)
    }

    /// Takes in a run.
    fn take(&self, block: &Block, ran: &Ran<'_>, outcome: &mut Outcome) -> Result<(), Trouble> {
        let trial = ran.trial;
        let simulated_ns = u64::try_from(trial.simulated.as_nanos()).unwrap_or(u64::MAX);
        outcome.simulated_ns = outcome.simulated_ns.saturating_add(simulated_ns);
        outcome.ends.push(match &trial.end {
            End::Passed => 'P',
            End::Violated(_) => 'F',
            End::Unknown(_) => 'U',
        });
        if let End::Unknown(why) = &trial.end {
            outcome.first_unknown.get_or_insert_with(|| cut(why));
        }
        if self.plan.audits(block.number) {
            outcome.hashes.push(ran.hash.clone().unwrap_or_default());
        }
        let news = self.situations(trial)?;
        if news > 0 && self.plan.breeds && trial.end == End::Passed && !trial.is_inert {
            self.parent(ran.scenario, news, plan::runs_a_block(ran.wall_ms))?;
        }
        let findings = self.findings(block, ran)?;
        if !findings.is_empty() && outcome.failures.len() < MOST_FAILURES {
            outcome.failures.push(Failed { seed: ran.seed, findings });
        }
        Ok(())
    }

    /// Writes down which situations a run reached. Returns how many nobody reached before.
    fn situations(&self, trial: &Trial) -> Result<u64, Trouble> {
        let named = trial.situations.iter().map(|it| (hash_of(it.as_str()), it.as_str()));
        let unknown: Vec<(String, &str)> = {
            let picture = self.desk.picture();
            if picture.situations.len() >= MOST_SITUATIONS {
                return Ok(0);
            }
            named.filter(|(hash, _)| !picture.situations.contains_key(hash)).collect()
        };
        let mut news = 0;
        for (hash, situation) in unknown {
            let reached = Reached { situation: situation.to_owned(), at_ms: now_ms() };
            let kept = self.desk.keep(&Key::Situation(hash.clone()), &reached)?;
            news += u64::from(kept == Kept::Now);
            // Who was first, the picture learns later; that it is known, it knows from now on.
            self.desk.picture().situations.entry(hash).or_insert(reached);
        }
        Ok(news)
    }

    /// Has a scenario be bred from, unless it has become too large.
    fn parent(&self, scenario: &Scenario, news: u64, runs: u32) -> Result<(), Trouble> {
        let text = language::to_toml(scenario);
        if text.len() > LARGEST_TEXT {
            return Ok(());
        }
        let hash = self.desk.keep_text(&text)?;
        self.desk.keep(&Key::Parent(hash), &Parent { news, runs, at_ms: now_ms() }).map(drop)
    }

    /// Writes down what is new of what a run violated. Returns the kinds of failures.
    fn findings(&self, block: &Block, ran: &Ran<'_>) -> Result<Vec<String>, Trouble> {
        let mut kinds = Vec::new();
        for violation in ran.trial.violations() {
            let Signature { check, sentence } = Signature::of(ran.scenario, violation);
            let mut hash = hash_of(&format!("{check}\n{sentence}"));
            let (is_known, count) = {
                let picture = self.desk.picture();
                (picture.findings.contains_key(&hash), picture.findings.len())
            };
            let text = if is_known { String::new() } else { language::to_toml(ran.scenario) };
            // What is too large to be kept has failed all the same.
            if !is_known && (count >= MOST_FINDINGS || check_text(&text).is_err()) {
                OTHERS.clone_into(&mut hash);
            } else if !is_known {
                let file = format!("{}/{FOUND}", super::folder_of(&hash));
                self.desk.queue.keep_file(&file, text.as_bytes())?;
                let text = self.desk.keep_text(&text)?;
                let finding = Finding {
                    check: violation.check.clone(),
                    sentence: cut(&violation.sentence),
                    scenario: ran.scenario.name.clone(),
                    text,
                    block: block.number,
                    seed: ran.seed,
                    way: block.way,
                    worker: self.name.clone(),
                    at_ms: now_ms(),
                };
                self.desk.keep(&Key::Finding(hash.clone()), &finding)?;
                self.desk.queue.offer(&Item::Shrink(hash.clone()))?;
            }
            kinds.push(hash);
        }
        Ok(kinds)
    }
}

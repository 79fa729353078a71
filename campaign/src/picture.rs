//! What is known of a campaign, made of what was written down, in any order.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use crate::{
    block::{
        Audited, Block, Ended, Finding, Looked, Outcome, Parent, Poison, Present, Reached, Small,
        State, Way,
    },
    clock,
    key::{Item, Key},
    now_ms,
    plan::Plan,
    queue::Document,
};

/// How long after its last word a worker is taken for gone, in milliseconds.
pub const SILENCE_MS: u64 = 20_000;

/// What is known of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// What it is.
    pub plan: Option<Plan>,
    /// Why it was stopped, if it was.
    pub stopped: Option<String>,
    /// How many kinds of failures it went on with.
    pub beyond: u64,
    /// The least number that is no block's.
    pub free: u64,
    /// The blocks, by their number.
    pub blocks: BTreeMap<u64, Block>,
    /// How many runs the blocks have together.
    pub planned: u64,
    /// What came of the blocks, by their number.
    pub results: BTreeMap<u64, Outcome>,
    /// What came of those that were played once more.
    pub audits: BTreeMap<u64, Audited>,
    /// What came of looking for the canary.
    pub canaries: BTreeMap<u64, Looked>,
    /// What was given up.
    pub poison: BTreeMap<Item, Poison>,
    /// The kinds of failures, by the hash of their signature.
    pub findings: BTreeMap<String, Finding>,
    /// The same, made small.
    pub small: BTreeMap<String, Small>,
    /// The situations that were reached, and when, by their hash.
    pub situations: BTreeMap<String, Reached>,
    /// Scenarios that reached new situations, by the hash of their text.
    pub parents: BTreeMap<String, Parent>,
    /// The scenarios that blocks were bred from.
    pub bred: BTreeSet<String>,
    /// The workers, by their name.
    pub workers: BTreeMap<String, Present>,
    /// When each of them was heard of here.
    pub(crate) heard: BTreeMap<String, Heard>,
    /// What could not be read, which another version may have written.
    pub unread: BTreeSet<Key>,
}

/// When a worker was heard of here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// When, by the clock of this process.
    at_ms: u64,
    /// Whether what it told changed while this process looked.
    is_news: bool,
}

impl Picture {
    /// Takes in something that was written down. The same twice is the same as once.
    pub fn take(&mut self, (key, body): &Document) {
        if self.read(key, body).is_some() {
            self.unread.remove(key);
        } else {
            self.unread.insert(key.clone());
            self.fill();
        }
    }

    /// Finds the least number that is no block's: neither of one that is known, nor of one that
    /// cannot be read.
    fn fill(&mut self) {
        while self.blocks.contains_key(&self.free) || self.unread.contains(&Key::Block(self.free)) {
            self.free += 1;
        }
    }

    fn read(&mut self, key: &Key, body: &[u8]) -> Option<()> {
        match key {
            Key::Plan => self.plan = Some(parse(body).filter(Plan::is_sound)?),
            Key::State => State { stopped: self.stopped, beyond: self.beyond } = parse(body)?,
            Key::Block(number) => {
                self.block(parse(body).filter(|it: &Block| it.number == *number)?);
            }
            Key::Result(number) => {
                let ended = parse(body)?;
                self.ended(Item::Block(*number), ended, |it| &mut it.results, *number);
            }
            Key::Audit(number) => {
                self.ended(Item::Audit(*number), parse(body)?, |it| &mut it.audits, *number);
            }
            Key::Canary(number) => {
                self.ended(Item::Canary(*number), parse(body)?, |it| &mut it.canaries, *number);
            }
            Key::Finding(hash) => {
                self.findings.insert(hash.clone(), parse(body)?);
            }
            Key::Shrunk(hash) => {
                let item = Item::Shrink(hash.clone());
                self.ended(item, parse(body)?, |it| &mut it.small, hash.clone());
            }
            Key::Situation(hash) => {
                self.situations.insert(hash.clone(), parse(body)?);
            }
            Key::Parent(hash) => {
                self.parents.insert(hash.clone(), parse(body)?);
            }
            Key::Worker(name) => {
                self.worker(name, parse(body)?);
            }
            Key::Begun(_) => {}
        }
        Some(())
    }

    fn block(&mut self, block: Block) {
        if self.blocks.contains_key(&block.number) {
            return;
        }
        self.planned = self.planned.saturating_add(u64::from(block.count));
        if block.way == Way::Bred {
            self.bred.insert(block.text.clone());
        }
        self.blocks.insert(block.number, block);
        self.fill();
    }

    fn worker(&mut self, name: &str, present: Present) {
        let known = self.workers.get(name);
        if known != Some(&present) {
            let heard = Heard { at_ms: clock::ms(), is_news: known.is_some() };
            self.heard.insert(name.to_owned(), heard);
            self.workers.insert(name.to_owned(), present);
        }
    }

    fn ended<K: Ord, T>(
        &mut self,
        item: Item,
        ended: Ended<T>,
        of: impl FnOnce(&mut Self) -> &mut BTreeMap<K, T>,
        key: K,
    ) {
        match ended {
            Ended::Done(done) => {
                of(self).insert(key, done);
            }
            Ended::Poison(poison) => {
                self.poison.insert(item, poison);
            }
        }
    }

    /// Returns whether an item is over: done, or given up, or nobody can read what came of it.
    pub fn is_over(&self, item: &Item) -> bool {
        let is_done = match item {
            Item::Canary(number) => self.canaries.contains_key(number),
            Item::Audit(number) => self.audits.contains_key(number),
            Item::Shrink(hash) => self.small.contains_key(hash),
            Item::Block(number) => self.results.contains_key(number),
        };
        is_done || self.poison.contains_key(item) || self.unread.contains(&item.done())
    }

    /// Returns everything that is to be done and is not over, as far as it is known.
    pub fn open(&self) -> Vec<Item> {
        let Some(plan) = &self.plan else { return Vec::new() };
        let times = plan.canary.as_ref().map_or(0, |canary| canary.times);
        let canaries = (0..times).map(Item::Canary);
        let audited = self.results.keys().filter(|number| plan.audits(**number));
        let audits = audited.map(|number| Item::Audit(*number));
        let shrinks = self.findings.keys().map(|hash| Item::Shrink(hash.clone()));
        let blocks = self.blocks.keys().map(|number| Item::Block(*number));
        // A block that cannot be read here may be one for others, or is given up.
        let unread = self.unread.iter().filter_map(|key| match key {
            Key::Block(number) => Some(Item::Block(*number)),
            _ => None,
        });
        let all = canaries.chain(audits).chain(shrinks).chain(blocks).chain(unread);
        all.filter(|item| !self.is_over(item)).collect()
    }

    /// Returns how many blocks are planned and not over.
    pub fn waiting(&self) -> usize {
        let is_block = |number: &u64| self.blocks.contains_key(number);
        let poisoned = self.poison.keys().filter(|item| match item {
            Item::Block(number) => is_block(number),
            _ => false,
        });
        let unread = self.unread.iter().filter(|key| match key {
            Key::Result(number) => is_block(number),
            _ => false,
        });
        let poisoned = poisoned.count() + unread.count();
        self.blocks.len().saturating_sub(self.results.len() + poisoned)
    }

    /// Returns whether no more blocks are planned.
    pub fn is_planned(&self) -> bool {
        let Some(plan) = &self.plan else { return false };
        let has_runs = plan.own_runs().is_some_and(|most| self.planned >= most);
        has_runs || plan.until_ms.is_some_and(|until| now_ms() >= until)
    }

    /// Returns whether everything is done.
    pub fn is_finished(&self) -> bool {
        self.is_planned() && self.waiting() == 0 && self.open().is_empty()
    }

    /// Returns how many runs were judged, or could not be.
    pub fn runs(&self) -> u64 {
        self.results.values().map(|it| it.ends.len() as u64).sum()
    }

    /// Returns how many runs ended so.
    pub fn ended_as(&self, letter: char) -> u64 {
        let of = |it: &Outcome| it.ends.chars().filter(|end| *end == letter).count() as u64;
        self.results.values().map(of).sum()
    }

    /// Returns how many blocks all workers play at once that are there.
    pub fn threads(&self) -> u64 {
        let here = self.workers.iter().filter(|(name, _)| self.is_here(name));
        here.fold(0, |sum, (_, it)| sum.saturating_add(it.threads))
    }

    /// Returns whether a worker was heard of lately, by the clock of this process: another machine's
    /// may be wrong, and counts only as long as nothing else is known.
    pub fn is_here(&self, name: &str) -> bool {
        let known = self.workers.get(name).zip(self.heard.get(name));
        known.is_some_and(|(told, heard)| {
            let is_recent = clock::ms().saturating_sub(heard.at_ms) < SILENCE_MS;
            let was_recent = heard.is_news || now_ms().saturating_sub(told.at_ms) < SILENCE_MS;
            !told.left && is_recent && was_recent
        })
    }

    /// Returns that the campaign is stopped.
    pub fn stopped_because(&self, why: impl Into<String>) -> State {
        State { stopped: Some(why.into()), beyond: self.beyond }
    }

    /// Returns that the campaign goes on, with `--fail-fast` for as many more kinds of failures if it
    /// was that which stopped it.
    pub fn resumed(&self) -> State {
        let found = self.findings.len() as u64;
        let beyond = if self.enough().is_some() { found } else { self.beyond };
        State { stopped: None, beyond }
    }

    /// Returns that the campaign stops, if as many kinds of failures were found as were asked for.
    pub fn enough(&self) -> Option<State> {
        let most = self.plan.as_ref()?.fail_fast?;
        let found = self.findings.len() as u64;
        let is_enough = found >= self.beyond.saturating_add(most);
        is_enough.then(|| {
            let why = format!("kinds of failures were found: {found}, with --fail-fast={most}");
            self.stopped_because(why)
        })
    }

    /// Returns how many runs had a kind of failure, as far as that was told.
    pub fn times(&self, finding: &str) -> u64 {
        let failed = self.results.values().flat_map(|it| &it.failures);
        failed.filter(|it| it.findings.iter().any(|known| known == finding)).count() as u64
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example;

    fn take(picture: &mut Picture, key: Key, what: &impl serde::Serialize) {
        picture.take(&(key, serde_json::to_vec(what).expect("JSON")));
    }

    #[test]
    fn a_plan_without_scenarios_or_of_a_part_that_is_none_is_not_read() {
        let bases = Vec::new();
        let of_three = |part| Plan { part, ..example() };
        let runs = |runs| {
            let bases = example().bases.into_iter().map(|it| crate::plan::Base { runs, ..it });
            Plan { bases: bases.collect(), ..example() }
        };
        let empty = Plan { bases, ..example() };
        for plan in [empty, of_three((3, 3)), of_three((0, 0)), runs(0)] {
            let mut picture = Picture::default();
            take(&mut picture, Key::Plan, &plan);
            assert_eq!((picture.plan, picture.unread.len()), (None, 1));
        }
        let mut picture = Picture::default();
        take(&mut picture, Key::Plan, &of_three((2, 3)));
        assert!(picture.plan.is_some());
    }

    #[test]
    fn whether_a_worker_is_there_does_not_depend_on_its_clock() {
        let mut picture = Picture::default();
        let key = || Key::Worker("w".to_owned());
        let told = |at_ms, left| {
            let build = "b".to_owned();
            Present { build, threads: 1, began_ms: 1, at_ms, left }
        };
        take(&mut picture, key(), &told(1_000, false));
        assert!(!picture.is_here("w"), "an old document says nothing");
        take(&mut picture, key(), &told(6_000, false));
        assert!(picture.is_here("w"), "it changed just now, though its clock is decades late");
        take(&mut picture, key(), &told(7_000, true));
        assert!(!picture.is_here("w"));
    }

    #[test]
    fn a_campaign_that_enough_failures_stopped_goes_on_until_as_many_more_are_found() {
        let mut picture = Picture::default();
        take(&mut picture, Key::Plan, &Plan { fail_fast: Some(2), ..example() });
        let find = |picture: &mut Picture, hash: &str| {
            let finding = Finding {
                check: "c".to_owned(),
                sentence: "s".to_owned(),
                scenario: "n".to_owned(),
                text: "t".to_owned(),
                block: 0,
                seed: 1,
                way: Way::Seeds,
                worker: "w_1".to_owned(),
                at_ms: 1,
            };
            take(picture, Key::Finding(hash.to_owned()), &finding);
        };
        find(&mut picture, "one");
        assert_eq!((picture.enough(), picture.resumed().beyond), (None, 0));
        find(&mut picture, "two");
        assert!(picture.enough().is_some());
        let resumed = picture.resumed();
        take(&mut picture, Key::State, &resumed);
        find(&mut picture, "three");
        assert_eq!((picture.enough(), picture.stopped.clone()), (None, None));
        find(&mut picture, "four");
        assert!(picture.enough().is_some());
    }
}

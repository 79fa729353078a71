//! What is known of a campaign, made of what was written down, in any order.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use crate::{
    block::{
        Audited, Block, Ended, Finding, Looked, Outcome, Parent, Poison, Present, Reached, Small,
        State, Way,
    },
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
    /// How many blocks are plain.
    pub plain: u64,
    /// The workers, by their name.
    pub workers: BTreeMap<String, Present>,
    /// What could not be read, which another version may have written.
    pub unread: u64,
}

impl Picture {
    /// Takes in something that was written down. The same twice is the same as once.
    pub fn take(&mut self, (key, body): &Document) {
        if self.read(key, body).is_none() {
            self.unread += 1;
        }
    }

    fn read(&mut self, key: &Key, body: &[u8]) -> Option<()> {
        match key {
            Key::Plan => self.plan = Some(parse(body)?),
            Key::State => self.stopped = parse::<State>(body)?.stopped,
            Key::Block(number) => self.block(*number, parse(body)?),
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
                self.workers.insert(name.clone(), parse(body)?);
            }
            Key::Begun(_) => {}
        }
        Some(())
    }

    fn block(&mut self, number: u64, block: Block) {
        if self.blocks.contains_key(&number) {
            return;
        }
        self.planned += u64::from(block.count);
        match block.way {
            Way::Seeds => self.plain += 1,
            Way::Bred => {
                self.bred.insert(block.text.clone());
            }
        }
        self.blocks.insert(number, block);
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

    /// Returns whether an item is over: done, or given up.
    pub fn is_over(&self, item: &Item) -> bool {
        let is_done = match item {
            Item::Canary(number) => self.canaries.contains_key(number),
            Item::Audit(number) => self.audits.contains_key(number),
            Item::Shrink(hash) => self.small.contains_key(hash),
            Item::Block(number) => self.results.contains_key(number),
        };
        is_done || self.poison.contains_key(item)
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
        let all = canaries.chain(audits).chain(shrinks).chain(blocks);
        all.filter(|item| !self.is_over(item)).collect()
    }

    /// Returns how many blocks are planned and not over.
    pub fn waiting(&self) -> usize {
        let poisoned = self.poison.keys().filter(|item| matches!(item, Item::Block(_))).count();
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
        let now = now_ms();
        self.workers.values().filter(|it| it.is_here(now)).map(|it| it.threads).sum()
    }

    /// Returns how many runs had a kind of failure, as far as that was told.
    pub fn times(&self, finding: &str) -> u64 {
        let failed = self.results.values().flat_map(|it| &it.failures);
        failed.filter(|it| it.findings.iter().any(|known| known == finding)).count() as u64
    }
}

impl Present {
    /// Returns whether a worker was heard of lately.
    pub fn is_here(&self, now_ms: u64) -> bool {
        !self.left && now_ms.saturating_sub(self.at_ms) < SILENCE_MS
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

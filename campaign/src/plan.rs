//! What a campaign is: which scenarios, how many runs, of which build.

use std::time::Duration;

use explore::sources::Shard;
use serde::{Deserialize, Serialize};

use crate::{block, queue::LONGEST_LEASE};

/// The version of what is written down.
pub const VERSION: u32 = 1;
/// The most scenarios that a campaign begins with.
pub const MOST_BASES: usize = 1_000;
/// The most runs of a campaign.
pub const MOST_RUNS: u64 = 1_000_000_000;
/// The most times that a canary is looked for.
const MOST_LOOKS: u64 = 100;
/// One block in this many is played by two workers: 2 %.
pub const AUDIT: u64 = 50;

/// A campaign, as whoever started it decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// See [`VERSION`].
    pub version: u32,
    /// Its name.
    pub id: String,
    /// The build that plays it.
    pub build: String,
    /// What it begins with.
    pub bases: Vec<Base>,
    /// Whether scenarios are changed, besides being played as they are.
    pub breeds: bool,
    /// The most runs.
    pub runs: Option<u64>,
    /// When no block is begun any more, in milliseconds since 1970.
    pub until_ms: Option<u64>,
    /// After how many kinds of failures everything ends.
    pub fail_fast: Option<u64>,
    /// The first seed.
    pub seed: u64,
    /// The known defect that is to be found, if the build can have one.
    pub canary: Option<Canary>,
    /// Which part of a campaign this is, from 0, and of how many, where nothing is shared.
    pub part: (u64, u64),
    /// When it was started, in milliseconds since 1970.
    pub began_ms: u64,
    /// How long an item is somebody's without a sign of life, in milliseconds.
    pub lease_ms: u64,
}

/// A scenario that a campaign begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The scenario's name.
    pub name: String,
    /// The hash of the text that is played as it is.
    pub text: String,
    /// The hash of what of it is changed.
    pub root: String,
    /// How many runs of the first take about a second.
    pub runs: u32,
    /// How many runs of what is changed do.
    pub bred_runs: u32,
}

/// A known defect that is planted in runs of its own. A campaign that does not find it finds nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// The defect's name.
    pub defect: String,
    /// The hashes of the scenarios in which it is looked for.
    pub texts: Vec<String>,
    /// How often it is looked for: each time in as many runs as there are scenarios, twice.
    pub times: u64,
}

/// How long a block should take, in milliseconds.
const BLOCK_MS: u64 = 1_000;
/// The most runs of a block that are planned, however short they are.
const MOST_BLOCK: u64 = 512;

/// Returns how many runs make a block, if one takes so many milliseconds.
pub fn runs_a_block(run_ms: u64) -> u32 {
    u32::try_from((BLOCK_MS / run_ms.max(1)).clamp(1, MOST_BLOCK)).unwrap_or(1)
}

impl Plan {
    /// Returns whether it can be worked for: there is something to play, and the part is one of those
    /// that there are.
    pub fn is_sound(&self) -> bool {
        let has_runs = |runs: u32| (1..=block::MOST_RUNS).contains(&runs);
        let is_played = |base: &Base| has_runs(base.runs) && has_runs(base.bred_runs);
        let has_bases = (1..=MOST_BASES).contains(&self.bases.len());
        let looks = self.canary.as_ref().map_or(0, |canary| canary.times);
        let lease = Duration::from_millis(self.lease_ms);
        has_bases
            && looks <= MOST_LOOKS
            && lease <= LONGEST_LEASE
            && self.bases.iter().all(is_played)
            && self.part.0 < self.part.1
    }

    /// Returns which part this is.
    pub fn shard(&self) -> Shard {
        Shard { index: self.part.0, of: self.part.1.max(1) }
    }

    /// Returns how many runs this part makes; none if only time ends it.
    pub fn own_runs(&self) -> Option<u64> {
        let Shard { index, of } = self.shard();
        self.runs.map(|runs| runs / of + u64::from(index < runs % of))
    }

    /// Returns whether a block is played by two workers. It depends on nothing that a worker chooses.
    pub fn audits(&self, number: u64) -> bool {
        let hash = journal::hash([format!("{} {number}", self.id)]);
        let drawn = u64::from_str_radix(&hash[..15], 16).unwrap_or_default();
        drawn.is_multiple_of(AUDIT)
    }
}

#[cfg(test)]
pub(crate) fn example() -> Plan {
    let base = |name: &str| Base {
        name: name.to_owned(),
        text: format!("{name}-text"),
        root: format!("{name}-root"),
        runs: 10,
        bred_runs: 10,
    };
    Plan {
        version: VERSION,
        id: "test".to_owned(),
        build: "b".to_owned(),
        bases: vec![base("one"), base("two")],
        breeds: false,
        runs: Some(45),
        until_ms: None,
        fail_fast: None,
        seed: 1,
        canary: None,
        part: (0, 1),
        began_ms: 0,
        lease_ms: 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_two_blocks_of_a_hundred_are_audited_and_always_the_same() {
        let plan = example();
        let audited = (0..10_000).filter(|number| plan.audits(*number)).count();
        assert!((150..250).contains(&audited), "{audited}");
        assert!((0..100).all(|number| plan.audits(number) == plan.clone().audits(number)));
    }

    #[test]
    fn the_parts_of_a_campaign_make_all_its_runs() {
        let part = |index| Plan { part: (index, 4), ..example() }.own_runs();
        assert_eq!((0..4).filter_map(part).sum::<u64>(), 45);
    }
}

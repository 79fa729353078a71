//! Which block comes next: scenarios that reached something new are bred first, and plain seeds come in
//! between. Any worker decides it; what was decided first is what counts.

use crate::{
    block::{Block, MOST_RUNS, Way},
    desk::Desk,
    key::{Item, Key},
    picture::Picture,
    plan::Plan,
    queue::{Kept, Trouble},
};

/// How many blocks wait for each thread: enough that nobody is idle while others are told.
const WAITING: u64 = 3;
/// The least number of blocks that wait.
const LEAST_WAITING: u64 = 4;
/// The most blocks that are offered at once.
const AT_ONCE: usize = 64;
/// One block in this many is plain, however much there is to breed.
const PLAIN: u64 = 4;
/// How many seeds each part of a campaign has for itself, which is more than it can use.
const SPAN: u64 = 1 << 40;

/// Offers blocks until enough are waiting.
pub fn feed(desk: &Desk<'_>) -> Result<(), Trouble> {
    for _ in 0..AT_ONCE {
        let next = {
            let picture = desk.picture();
            let wanted = (picture.threads() * WAITING).max(LEAST_WAITING);
            let is_enough = picture.waiting() as u64 >= wanted || picture.stopped.is_some();
            if is_enough || picture.is_planned() { None } else { next(&picture) }
        };
        let Some(block) = next else { return Ok(()) };
        let (key, item) = (Key::Block(block.number), Item::Block(block.number));
        if desk.keep(&key, &block)? == Kept::Before {
            // Somebody else decided what this number is.
            let body = desk.queue.read(&key)?;
            let missing = || Trouble::new(format!("{key} is kept and is not there"));
            let document = (key.clone(), body.ok_or_else(missing)?);
            desk.picture().take(&document);
        }
        desk.queue.offer(&item)?;
    }
    Ok(())
}

/// Returns the block of the least number that is free. If there is one of this number that was not
/// told yet, that stays.
fn next(picture: &Picture) -> Option<Block> {
    let plan = picture.plan.as_ref()?;
    let number = picture.free;
    let left = plan.own_runs().map(|most| most.saturating_sub(picture.planned));
    let block = |text: &str, way, first, runs: u32| Block {
        number,
        campaign: plan.id.clone(),
        build: plan.build.clone(),
        text: text.to_owned(),
        way,
        first,
        count: left.map_or(runs, |left| runs.min(u32::try_from(left).unwrap_or(runs))),
    };
    // The plain ones are numbered by themselves.
    let nth = if plan.breeds { number / PLAIN } else { number };
    if plan.breeds && number % PLAIN != PLAIN - 1 {
        // Seeds of bred blocks are drawn from their number, far from those of plain ones.
        let first = bred_seed(plan, number);
        let (text, runs) = parent(picture, plan, number)?;
        return Some(block(&text, Way::Bred, first, runs.clamp(1, MOST_RUNS)));
    }
    let (base, first) = plain(plan, nth);
    let base = plan.bases.get(base)?;
    Some(block(&base.text, Way::Seeds, first, base.runs))
}

/// Returns which base the plain block numbered `nth` plays, and its first seed. No two blocks of a
/// campaign, in whichever part, play the same scenario with the same seed.
fn plain(plan: &Plan, nth: u64) -> (usize, u64) {
    let shard = plan.shard();
    let bases = plan.bases.len() as u64;
    let (base, round) = (nth % bases, nth / bases);
    let base = usize::try_from(base).unwrap_or_default();
    // How many runs make a block, each part measures by itself: no other part's seeds depend on it.
    let runs = plan.bases.get(base).map_or(1, |base| u64::from(base.runs));
    let first = plan.seed.wrapping_add(shard.index.wrapping_mul(SPAN));
    (base, first.wrapping_add(round.wrapping_mul(runs)))
}

/// Returns what is bred next, and how many runs of it take about a second: the first scenario that
/// reached something new and was not bred from; after these a base, which can always be changed in
/// yet another way, or one of those that were bred from.
fn parent(picture: &Picture, plan: &Plan, number: u64) -> Option<(String, u32)> {
    let fresh = picture.parents.iter().filter(|(hash, _)| !picture.bred.contains(*hash));
    // The one with most news, and of those the oldest.
    let fresh = fresh.min_by_key(|(_, it)| (std::cmp::Reverse(it.news), it.at_ms));
    if let Some((hash, parent)) = fresh {
        return Some((hash.clone(), parent.runs));
    }
    let known = picture.parents.len() + plan.bases.len();
    let drawn = usize::try_from(bred_seed(plan, number) % known as u64).ok()?;
    if let Some(base) = plan.bases.get(drawn) {
        return Some((base.root.clone(), base.bred_runs));
    }
    let (hash, parent) = picture.parents.iter().nth(drawn - plan.bases.len())?;
    Some((hash.clone(), parent.runs))
}

fn bred_seed(plan: &Plan, number: u64) -> u64 {
    let hash = journal::hash([format!("{} {} {number} {}", plan.id, plan.seed, plan.part.0)]);
    u64::from_str_radix(&hash[..10], 16).unwrap_or_default() << 16
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::{Base, example};

    fn blocks(plan: Plan) -> Vec<Block> {
        let mut picture = Picture { plan: Some(plan), ..Picture::default() };
        let mut blocks = Vec::new();
        while !picture.is_planned() {
            let block = next(&picture).expect("there is more");
            let body = serde_json::to_vec(&block).expect("JSON");
            picture.take(&(Key::Block(block.number), body));
            blocks.push(block);
        }
        blocks
    }

    #[test]
    fn blocks_make_exactly_the_runs_of_a_plan_and_none_twice_in_whichever_part() {
        let parts = (0..3).flat_map(|index| blocks(Plan { part: (index, 3), ..example() }));
        let parts: Vec<Block> = parts.collect();
        for blocks in [blocks(example()), parts] {
            let runs = blocks.iter().flat_map(|it| it.seeds().map(|seed| (it.text.clone(), seed)));
            let runs: Vec<_> = runs.collect();
            let distinct: BTreeSet<_> = runs.iter().collect();
            assert_eq!((runs.len(), distinct.len()), (45, 45));
        }
    }

    #[test]
    fn parts_that_measured_something_else_share_no_seed() {
        let part = |(index, runs)| {
            let bases = example().bases.into_iter().map(|it| Base { runs, ..it }).collect();
            blocks(Plan { bases, part: (index, 3), runs: Some(300), ..example() })
        };
        let parts = [(0, 10), (1, 12), (2, 7)].into_iter().flat_map(part);
        let runs = parts.flat_map(|it| it.seeds().map(move |seed| (it.text.clone(), seed)));
        let runs: Vec<_> = runs.collect();
        let distinct: BTreeSet<_> = runs.iter().collect();
        assert_eq!((runs.len(), distinct.len()), (300, 300));
    }

    #[test]
    fn what_is_missing_between_blocks_is_filled_as_it_would_have_been_before() {
        let known = blocks(example());
        let mut picture = Picture { plan: Some(example()), ..Picture::default() };
        for number in [0, 2] {
            let body = serde_json::to_vec(&known[number]).expect("JSON");
            picture.take(&(Key::Block(number as u64), body));
        }
        assert_eq!(next(&picture).as_ref(), Some(&known[1]));
        let body = serde_json::to_vec(&known[1]).expect("JSON");
        picture.take(&(Key::Block(1), body));
        assert_eq!(next(&picture).as_ref(), Some(&known[3]));
    }

    #[test]
    fn no_number_is_too_large_and_a_block_that_cannot_be_read_is_passed_over() {
        let mut picture = Picture { plan: Some(example()), ..Picture::default() };
        let last = Block { number: u64::MAX, ..next(&picture).expect("one") };
        picture.take(&(Key::Block(u64::MAX), serde_json::to_vec(&last).expect("JSON")));
        assert_eq!(next(&picture).map(|it| it.number), Some(0));
        picture.take(&(Key::Block(0), b"{}".to_vec()));
        assert_eq!(next(&picture).map(|it| it.number), Some(1));
        assert_eq!(picture.unread.len(), 1);
    }

    #[test]
    fn what_reached_something_new_is_bred_first_and_some_blocks_stay_plain() {
        let plan = Plan { breeds: true, ..example() };
        let mut picture = Picture { plan: Some(plan), ..Picture::default() };
        let parent = crate::block::Parent { news: 3, runs: 5, at_ms: 1 };
        picture.take(&(Key::Parent("p".to_owned()), serde_json::to_vec(&parent).expect("JSON")));
        assert_eq!(next(&picture).map(|it| (it.text, it.way)), Some(("p".to_owned(), Way::Bred)));
        let plan = Plan { breeds: true, ..example() };
        let plain = blocks(plan).iter().filter(|it| it.way == Way::Seeds).count();
        assert_eq!(plain, 1, "one in four");
    }
}

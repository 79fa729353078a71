//! Many messages in one operation, and as few of them as it takes.

use std::time::Duration;

use scenarios::scenario::{Op, OpKind, Repeat};

use super::Search;
use crate::ways::rounded;

/// How many messages in a row are worth one operation.
const FEW: usize = 3;

/// Puts messages that follow each other into one operation, and has operations done less often.
pub(super) fn fewer(search: &mut Search<'_>) {
    let mut first = 0;
    while first < search.best.ops.len() {
        merge(search, first);
        first += 1;
    }
    for index in 0..search.best.ops.len() {
        less_often(search, index);
        closer(search, index);
    }
}

/// Puts the longest row of messages of one sender into one room that begins at `first` into one
/// operation.
fn merge(search: &mut Search<'_>, first: usize) {
    let Some(parties) = search.best.ops.get(first).and_then(sends) else { return };
    let row = search.best.ops.iter().skip(first).take_while(|op| sends(op) == Some(parties));
    let count = row.count();
    if count < FEW {
        return;
    }
    search.tries(|scenario| {
        let row: Vec<Op> = scenario.ops.drain(first..first + count).collect();
        let (Some(begin), Some(end)) = (row.first().cloned(), row.last()) else { return };
        let times = row.iter().map(|op| op.repeat.times).fold(0, u32::saturating_add);
        let every = (end.last().saturating_sub(begin.at)) / times.saturating_sub(1).max(1);
        let repeat = Repeat { times, every: rounded(every) };
        scenario.ops.insert(first, Op { repeat, ..begin });
    });
}

/// Returns who sends to which room, if an operation is a message that is not tried again.
fn sends(op: &Op) -> Option<(&str, &str)> {
    match &op.kind {
        OpKind::Send { from, to, retries: 0, .. } => Some((from, to)),
        _ => None,
    }
}

/// Has an operation done as rarely as it can: half as often, then three quarters, then once less.
fn less_often(search: &mut Search<'_>, index: usize) {
    while let Some(times) =
        search.best.ops.get(index).map(|op| op.repeat.times).filter(|it| *it > 1)
    {
        let fewer = [times / 2, times - times / 4, times - 1].into_iter().filter(|it| *it < times);
        let found = fewer.into_iter().any(|fewer| {
            search.tries(|scenario| {
                let repeat = &mut scenario.ops[index].repeat;
                repeat.times = fewer;
                if fewer == 1 {
                    *repeat = Repeat::default();
                }
            })
        });
        if !found {
            return;
        }
    }
}

/// Has the repetitions of an operation follow each other at once, or in whole milliseconds.
fn closer(search: &mut Search<'_>, index: usize) {
    let Some(every) = search.best.ops.get(index).map(|op| op.repeat.every) else { return };
    for closer in [Duration::ZERO, Duration::from_millis(10), rounded(every)] {
        if closer < every && search.tries(|scenario| scenario.ops[index].repeat.every = closer) {
            return;
        }
    }
}

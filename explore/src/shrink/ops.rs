//! Fewer operations, and each of them as plain as it goes.

use std::collections::BTreeMap;

use scenarios::scenario::{OpKind, When};

use super::{
    Search,
    reduce::{fewest, without},
};

/// Leaves out operations, and what is special about those that are left.
pub(super) fn fewer(search: &mut Search<'_>) {
    let count = search.best.ops.len();
    fewest(count, |left_out| {
        let ops = without(&search.best.ops, left_out);
        search.tries(|scenario| scenario.ops = ops)
    });
    fewer_before_triggers(search);
    for index in 0..search.best.ops.len() {
        search.tries(|scenario| {
            if let Some(op) = scenario.ops.get_mut(index) {
                op.outcome = None;
            }
        });
    }
    for index in 0..search.best.ops.len() {
        search.tries(|scenario| {
            if let Some(OpKind::Send { retries, .. }) =
                scenario.ops.get_mut(index).map(|op| &mut op.kind)
            {
                *retries = 0;
            }
        });
    }
    rename(search);
}

/// Leaves out an operation and has a trigger wait for one exchange less: what is there only so that
/// others are counted goes with the number.
fn fewer_before_triggers(search: &mut Search<'_>) {
    let waits = |search: &Search<'_>, fault: usize| {
        let when = search.best.faults.get(fault).map(|fault| &fault.when);
        matches!(when, Some(When::Exchange { nth: 2.., .. }))
    };
    for fault in 0..search.best.faults.len() {
        let mut op = 0;
        while waits(search, fault) && op < search.best.ops.len() {
            let is_kept = search.tries(|scenario| {
                scenario.ops.remove(op);
                if let Some(When::Exchange { nth, .. }) =
                    scenario.faults.get_mut(fault).map(|fault| &mut fault.when)
                {
                    *nth = nth.saturating_sub(1).max(1);
                }
            });
            op += usize::from(!is_kept);
        }
    }
}

/// Numbers the messages anew, and gives each the plainest text.
fn rename(search: &mut Search<'_>) {
    search.tries(|scenario| {
        let mut names = BTreeMap::new();
        for op in &mut scenario.ops {
            if let OpKind::Send { id, text, .. } = &mut op.kind {
                let number = names.len() + 1;
                let name = format!("m{number}");
                names.insert(std::mem::replace(id, name.clone()), name);
                *text = format!("message {number}");
            }
        }
        for op in &mut scenario.ops {
            if let OpKind::Redact { message, .. } = &mut op.kind
                && let Some(name) = names.get(message)
            {
                message.clone_from(name);
            }
        }
    });
}

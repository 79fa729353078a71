//! Fewer operations, and each of them as plain as it goes.

use scenarios::scenario::OpKind;

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

/// Numbers the messages anew, and gives each the plainest text.
fn rename(search: &mut Search<'_>) {
    search.tries(|scenario| {
        let mut number = 0;
        for op in &mut scenario.ops {
            if let OpKind::Send { id, text, .. } = &mut op.kind {
                number += 1;
                *id = format!("m{number}");
                *text = format!("message {number}");
            }
        }
    });
}

//! Back to the fixed task order, or to as few priorities as go.

use scenarios::scenario::Schedule;

use super::Search;

/// Makes the schedule simpler.
pub(super) fn simpler(search: &mut Search<'_>) {
    if search.best.schedule.is_fixed() || search.tries(|it| it.schedule = Schedule::Fixed) {
        return;
    }
    let Schedule::Priorities(depth) = search.best.schedule else { return };
    for fewer in 1..depth {
        if search.tries(|it| it.schedule = Schedule::Priorities(fewer)) {
            return;
        }
    }
}

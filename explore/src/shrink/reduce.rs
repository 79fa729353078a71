//! Delta debugging over a list: as few of its items as go.

use super::Search;

/// Leaves out faults.
pub(super) fn faults(search: &mut Search<'_>) {
    let count = search.best.faults.len();
    fewest(count, |left_out| search.tries(|scenario| scenario.leave_out_faults(left_out)));
}

/// Returns a list without the items whose index is left out.
pub(super) fn without<T: Clone>(list: &[T], left_out: &dyn Fn(usize) -> bool) -> Vec<T> {
    let kept = list.iter().enumerate().filter(|(index, _)| !left_out(*index));
    kept.map(|(_, item)| item.clone()).collect()
}

/// Finds how much of a list of `count` items can be left out. `tries` is asked to leave out those
/// items of what is left whose index is told to be left out, and returns whether that is kept.
///
/// First all of them, then ever smaller runs of neighbors, until no single one can go.
pub(super) fn fewest(count: usize, mut tries: impl FnMut(&dyn Fn(usize) -> bool) -> bool) {
    let mut left = count;
    let mut length = count;
    while left > 0 && length > 0 {
        let mut from = 0;
        let mut any = false;
        while from < left {
            let until = (from + length).min(left);
            if tries(&|index| (from..until).contains(&index)) {
                left -= until - from;
                any = true;
            } else {
                from = until;
            }
        }
        // Once single items cannot go, nothing can; one that went may have held another.
        if length > 1 || !any {
            length /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{fewest, without};

    /// Returns what is left of `0..count` if all of `needed` have to be there.
    fn left_of(count: usize, needed: &[usize]) -> Vec<usize> {
        let mut left: Vec<usize> = (0..count).collect();
        fewest(count, |left_out| {
            let fewer = without(&left, left_out);
            let is_kept = needed.iter().all(|item| fewer.contains(item));
            if is_kept {
                left = fewer;
            }
            is_kept
        });
        left
    }

    #[test]
    fn only_what_is_needed_is_left() {
        assert_eq!(left_of(9, &[]), [] as [usize; 0]);
        assert_eq!(left_of(9, &[4]), [4]);
        assert_eq!(left_of(9, &[0, 5, 8]), [0, 5, 8]);
        assert_eq!(left_of(1, &[0]), [0]);
        assert_eq!(left_of(0, &[]), [] as [usize; 0]);
    }
}

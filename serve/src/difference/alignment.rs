//! Two sequences beside each other: what is the same on both sides, and what only one of them has.
//!
//! A whole diff of two long journals costs the product of their lengths where they have little in
//! common. So it is made window by window, each beginning behind the last thing that the one before
//! found on both sides, and with a bound on the work of all of them together.

use serde::Serialize;
use similar::{Algorithm, DiffOp, capture_diff_slices};

/// How many entries of each side a window has at first.
const WINDOW: usize = 1_000;
/// How many it has at most: it grows where little in it is the same, as where a side has something
/// long that the other lacks.
const LARGEST_WINDOW: usize = 16_000;
/// The most comparisons, estimated, of all windows together: seconds at most.
const MOST_WORK: u64 = 1_000_000_000;
/// The most pieces.
const MOST_PIECES: usize = 20_000;

/// A piece of the alignment: as many entries of each side, from these on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Piece {
    /// Whether the entries of one side are those of the other, one by one. If not, they stand beside
    /// each other only because they are what lies between.
    pub(super) same: bool,
    pub(super) left: usize,
    pub(super) left_count: usize,
    pub(super) right: usize,
    pub(super) right_count: usize,
}

/// Two sequences beside each other.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Alignment {
    /// In the order of both sides, without gaps.
    pub(super) pieces: Vec<Piece>,
    /// Whether the last piece is what nobody has aligned any more.
    pub(super) is_cut: bool,
}

/// Aligns two sequences, of which the same values are the same.
pub(super) fn of(left: &[u32], right: &[u32]) -> Alignment {
    let mut alignment = Alignment::default();
    let mut work = 0;
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        let same =
            left[i..].iter().zip(&right[j..]).take_while(|(one, other)| one == other).count();
        alignment.add(true, same, same);
        (i, j) = (i + same, j + same);
        if work > MOST_WORK || alignment.pieces.len() > MOST_PIECES {
            alignment.is_cut = true;
            break;
        }
        let (left_on, right_on) = window(&mut alignment, (&left[i..], &right[j..]), &mut work);
        (i, j) = (i + left_on, j + right_on);
    }
    alignment.add(false, left.len() - i, right.len() - j);
    alignment
}

/// Aligns what two sequences begin with; returns how far that is on each side.
fn window(
    alignment: &mut Alignment,
    (left, right): (&[u32], &[u32]),
    work: &mut u64,
) -> (usize, usize) {
    let mut size = WINDOW;
    loop {
        let (one, other) = (&left[..size.min(left.len())], &right[..size.min(right.len())]);
        let is_last = one.len() == left.len() && other.len() == right.len();
        let ops = capture_diff_slices(Algorithm::Myers, one, other);
        let same: usize =
            ops.iter().map(|op| if is_same(op) { op.old_range().len() } else { 0 }).sum();
        let both = one.len() + other.len();
        *work += both as u64 * (both - 2 * same + 1) as u64;
        let is_little = same * 4 < one.len().min(other.len());
        if is_last || size >= LARGEST_WINDOW || !is_little || *work > MOST_WORK {
            // What follows the last thing on both sides may go on behind the window.
            let kept = match ops.iter().rposition(is_same) {
                Some(last) if !is_last => &ops[..=last],
                _ => &ops[..],
            };
            for op in kept {
                alignment.add(is_same(op), op.old_range().len(), op.new_range().len());
            }
            let end = kept.last().map(|op| (op.old_range().end, op.new_range().end));
            return end.unwrap_or((one.len(), other.len()));
        }
        size *= 4;
    }
}

fn is_same(op: &DiffOp) -> bool {
    matches!(op, DiffOp::Equal { .. })
}

impl Alignment {
    /// Adds so many entries of each side behind what is there; to the last piece, if that is alike.
    fn add(&mut self, same: bool, left_count: usize, right_count: usize) {
        if left_count == 0 && right_count == 0 {
            return;
        }
        let end = self.pieces.last().map(|it| (it.left + it.left_count, it.right + it.right_count));
        let (left, right) = end.unwrap_or_default();
        match self.pieces.last_mut() {
            Some(last) if last.same == same => {
                last.left_count += left_count;
                last.right_count += right_count;
            }
            _ => self.pieces.push(Piece { same, left, left_count, right, right_count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Alignment, MOST_PIECES, of};

    /// Returns what was aligned, as `=3 -1+2`: as many the same, as many only here and only there.
    fn told(alignment: &Alignment) -> String {
        let pieces = alignment.pieces.iter().map(|it| {
            if it.same {
                format!("={}", it.left_count)
            } else {
                format!("-{}+{}", it.left_count, it.right_count)
            }
        });
        pieces.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_the_same_again_stands_beside_each_other() {
        assert_eq!(told(&of(&[1, 2, 3, 4, 5], &[1, 2, 9, 9, 3, 4])), "=2 -0+2 =2 -1+0");
        assert_eq!(told(&of(&[1, 2], &[1, 2])), "=2");
        assert_eq!(told(&of(&[], &[7])), "-0+1");
        assert_eq!(told(&of(&[1, 5, 2], &[1, 6, 2])), "=1 -1+1 =1");
    }

    #[test]
    fn an_insertion_longer_than_a_window_is_found_behind_it() {
        let left: Vec<u32> = (0..20_000).collect();
        let inserted = (0..5_000).map(|n| 1_000_000 + n);
        let right: Vec<u32> = (0..500).chain(inserted).chain(500..20_000).collect();
        let alignment = of(&left, &right);
        assert_eq!(told(&alignment), "=500 -0+5000 =19500");
        assert!(!alignment.is_cut);
    }

    #[test]
    fn two_long_sequences_with_nothing_in_common_are_given_up_in_bounded_work() {
        let left: Vec<u32> = (0..300_000).collect();
        let right: Vec<u32> = (1_000_000..1_300_000).collect();
        let alignment = of(&left, &right);
        assert_eq!(told(&alignment), "-300000+300000");
        assert!(alignment.is_cut);
    }

    #[test]
    fn alignment_ends_where_there_would_be_too_many_pieces() {
        let left: Vec<u32> = (0..100_000).collect();
        let right: Vec<u32> =
            left.iter().map(|n| if n % 2 == 0 { *n } else { n + 1_000_000 }).collect();
        let alignment = of(&left, &right);
        assert!(alignment.is_cut && alignment.pieces.len() < MOST_PIECES + 2_100);
        let last = alignment.pieces.last().expect("a piece");
        assert_eq!(
            (last.left + last.left_count, last.right + last.right_count),
            (100_000, 100_000)
        );
    }
}

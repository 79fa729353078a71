//! Which machine stands where: those that talk most stand next to each other.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::{HARNESS, legs::Leg};
use crate::html::{Run, nodes};

/// The width of the margin in which times stand.
pub(super) const MARGIN: i32 = 92;
/// The least and the greatest distance between lanes; between them, lanes fill the page.
const NARROW: i32 = 124;
const WIDE: i32 = 200;
const PAGE: i32 = 1180;
/// Up to this many machines, those that say nothing have a lane too.
const FEW: usize = 12;
/// The most rounds in which lanes change places.
const ROUNDS: usize = 20;
/// With more lanes than this, they stay in the order of their names' kinds.
const MOST_SORTED: usize = 40;

/// The lanes of a picture.
pub(super) struct Lanes<'r> {
    names: Vec<&'r str>,
    kinds: Vec<&'static str>,
}

impl<'r> Lanes<'r> {
    /// Returns the lanes of all machines that take part in `legs`. How much they talk in `all`
    /// decides who stands next to whom, so that all pictures of a run have one order.
    pub(super) fn of(run: &Run<'r>, legs: &[Leg<'r>], all: &[Leg<'r>]) -> Self {
        let mut talk: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        for leg in all {
            let (one, other) = (leg.from().min(leg.to()), leg.from().max(leg.to()));
            *talk.entry((one, other)).or_default() += 1;
        }
        let taking_part: BTreeSet<&str> =
            legs.iter().flat_map(|leg| [leg.from(), leg.to()]).collect();
        let is_small = run.record.nodes.len() <= FEW;
        let strangers = taking_part.iter().copied().filter(|it| run.kind_of(it).is_none());
        let known = run.record.nodes.iter().map(|node| &*node.name);
        let mut names: Vec<&str> =
            known.filter(|it| is_small || taking_part.contains(it)).chain(strangers).collect();
        names.retain(|name| !HARNESS.contains(name));
        begin_with_sender(run, &mut names);
        if names.len() <= MOST_SORTED {
            bring_together(&mut names, &talk);
        }
        let kinds =
            names.iter().map(|it| run.kind_of(it).map_or("stranger", nodes::kind)).collect();
        Self { names, kinds }
    }

    fn pitch(&self) -> i32 {
        let lanes = i32::try_from(self.names.len()).unwrap_or(i32::MAX).max(1);
        ((PAGE - MARGIN - 24) / lanes).clamp(NARROW, WIDE)
    }

    fn at(&self, index: usize) -> i32 {
        MARGIN + self.pitch() / 2 + self.pitch() * i32::try_from(index).unwrap_or(0)
    }

    /// Returns where a machine's lane is; none if it has none.
    pub(super) fn x(&self, name: &str) -> Option<i32> {
        self.names.iter().position(|it| *it == name).map(|index| self.at(index))
    }

    /// Returns the gaps between the lanes of these sides, from left to right; none if there is one
    /// side only, or if some lanes of one stand among those of another.
    pub(super) fn gaps(&self, sides: &[Vec<&str>]) -> Vec<i32> {
        let span = |names: &Vec<&str>| {
            let x: Vec<i32> = names.iter().filter_map(|name| self.x(name)).collect();
            Some((x.iter().min().copied()?, x.iter().max().copied()?))
        };
        let mut spans: Vec<(i32, i32)> = sides.iter().filter_map(span).collect();
        spans.sort_unstable();
        let apart = spans.windows(2).all(|pair| pair[0].1 < pair[1].0);
        let starts = spans.iter().skip(1).filter(|_| apart);
        starts.map(|(left, _)| left - self.pitch() / 2).collect()
    }

    pub(super) fn width(&self) -> i32 {
        self.at(self.names.len()) - self.pitch() / 2 + 24
    }

    /// Draws the names, which stay on top while the picture scrolls.
    pub(super) fn heads(&self) -> Markup {
        let width = self.width();
        html! {
            svg.lanes width=(width) height="42" viewBox={ "0 0 " (width) " 42" } aria-hidden="true" {
                @for ((name, kind), index) in self.names.iter().zip(&self.kinds).zip(0..) {
                    @let x = self.at(index);
                    text.lane x=(x) y="18" text-anchor="middle" { (name) }
                    text.kind x=(x) y="33" text-anchor="middle" { (kind) }
                }
            }
        }
    }

    pub(super) fn lines(&self, height: i32) -> Markup {
        html! {
            @for index in 0..self.names.len() {
                @let x = self.at(index);
                line.lane x1=(x) y1="0" x2=(x) y2=(height) {}
            }
        }
    }
}

/// Puts the first message's sender and its backend first: the eye begins there.
fn begin_with_sender(run: &Run<'_>, names: &mut [&str]) {
    let Some(message) = run.record.messages.first() else { return };
    names.sort_by_key(|name| match () {
        () if **name == message.from => 0,
        () if **name == message.backend => 1,
        () => 2,
    });
}

/// Lets any two lanes change places, or one move elsewhere, as long as arrows become shorter by it.
fn bring_together(names: &mut Vec<&str>, talk: &BTreeMap<(&str, &str), u32>) {
    let cost = |names: &[&str]| -> u64 {
        let place = |name: &str| names.iter().position(|it| *it == name);
        let far = talk.iter().filter_map(|((one, other), times)| {
            Some(place(one)?.abs_diff(place(other)?) as u64 * u64::from(*times))
        });
        far.sum()
    };
    let mut best = cost(names);
    for _ in 0..ROUNDS {
        let before = best;
        for from in 1..names.len() {
            for to in 1..names.len() {
                let mut moved = names.clone();
                let name = moved.remove(from);
                moved.insert(to, name);
                let now = cost(&moved);
                if now < best {
                    (best, *names) = (now, moved);
                }
            }
        }
        if best == before {
            return;
        }
    }
}

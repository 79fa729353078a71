//! How long messages took to each recipient: percentiles as a table, and each copy over time with
//! the faults as bands. The sender's own device is no recipient.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ::checks::record::{Copy, Message, OpOutcome, Presence};
use journal::duration::rounded;
use maud::{Markup, html};

use super::{
    Run,
    axis::{Axis, LEFT, LENGTH, WIDTH},
    faults,
};
use crate::time::exact;

/// The most rows of the table; the slowest come first.
const MOST: usize = 40;
/// The height of the plot.
const HEIGHT: u64 = 180;
/// Where the plot begins; above it is the line of those that never arrived.
const TOP: u64 = 34;
/// The shortest delay that is told apart: 1 ms.
const SHORTEST: u64 = 1_000_000;
/// How close two points may be before they are one: pixels.
const GRAIN: u64 = 3;

/// The delays of one recipient in one conversation.
#[derive(Default)]
struct Delays {
    /// In nanoseconds, sorted once all are there.
    seen: Vec<u64>,
    /// How many copies never arrived.
    never: u64,
}

impl Delays {
    /// Returns the delay within which this share of the copies that were seen arrived, by the
    /// nearest rank.
    fn within(&self, percent: usize) -> Option<u64> {
        let rank = (self.seen.len() * percent).div_ceil(100).max(1);
        self.seen.get(rank - 1).copied()
    }
}

pub(super) fn section(run: &Run<'_>) -> Option<Markup> {
    let mut by_recipient: BTreeMap<(&str, &str), Delays> = BTreeMap::new();
    for (message, copy) in copies(run) {
        let delays = by_recipient.entry((&message.conversation, &copy.device)).or_default();
        match copy.seen_ns {
            Some(seen) => delays.seen.push(seen.saturating_sub(message.sent_ns)),
            None => delays.never += 1,
        }
    }
    if by_recipient.is_empty() {
        return None;
    }
    for delays in by_recipient.values_mut() {
        delays.seen.sort_unstable();
    }
    let mut rows: Vec<_> = by_recipient.iter().collect();
    rows.sort_by_key(|(_, delays)| std::cmp::Reverse((delays.never, delays.within(100))));
    Some(html! {
        div.scroll tabindex="0" role="region" aria-label="Delays over time" { (plot(run)) }
        div.scroll tabindex="0" role="region" aria-label="Delays" { (table(&rows)) }
        @if rows.len() > MOST { p.hint { "and " (rows.len() - MOST) " more recipients, each of them faster" } }
    })
}

/// Returns every copy that a recipient should have seen, or saw.
fn copies<'r>(run: &Run<'r>) -> impl Iterator<Item = (&'r Message, &'r Copy)> {
    let all = run
        .record
        .messages
        .iter()
        .flat_map(|message| message.copies.iter().map(move |it| (message, it)));
    all.filter(|(message, copy)| {
        let expected = copy.presence == Presence::Member && message.outcome != OpOutcome::Refused;
        copy.device != message.from && (expected || copy.seen_ns.is_some())
    })
}

fn table(rows: &[(&(&str, &str), &Delays)]) -> Markup {
    let shown = |delay: Option<u64>| delay.map_or_else(|| "–".to_owned(), exact);
    html! {
        table {
            thead { tr { th { "recipient" } th { "conversation" } th.num { "copies" } th.num { "p50" } th.num { "p90" } th.num { "p99" } th.num { "max" } th.num { "never" } } }
            tbody {
                @for ((conversation, device), delays) in rows.iter().take(MOST) {
                    tr {
                        th scope="row" { (device) }
                        td { (conversation) }
                        td.num { (delays.seen.len()) }
                        @for percent in [50, 90, 99, 100] { td.num { (shown(delays.within(percent))) } }
                        td.num.bad[delays.never > 0] { @if delays.never > 0 { "✕ " } (delays.never) }
                    }
                }
            }
        }
    }
}

fn plot(run: &Run<'_>) -> Markup {
    let axis = Axis::to(faults::end(run));
    let slowest = copies(run)
        .filter_map(|(message, copy)| Some(copy.seen_ns?.saturating_sub(message.sent_ns)));
    let slowest = slowest.max().unwrap_or(0);
    // Some room above the slowest.
    let scale = Scale { longest: (slowest + slowest / 2).max(SHORTEST * 10) };
    let bottom = TOP + HEIGHT;
    let bands = run.record.faults.iter().filter(|fault| fault.hits > 0);
    html! {
        svg.chart width=(WIDTH) height=(bottom + 22) viewBox={ "0 0 " (WIDTH) " " (bottom + 22) } role="img" aria-label="Delay of each copy over the time of its sending; the table below has the percentiles" {
            @for fault in bands {
                @if let Some(from) = fault.from_ns {
                    @let (x, until) = (axis.x(from), axis.x(fault.until_ns.unwrap_or(u64::MAX)));
                    rect.band x=(x) y=(TOP) width=(until.saturating_sub(x).max(2)) height=(HEIGHT) { title { (fault.what) } }
                    text.band x=(x + 4) y=(TOP + 13) { (fault.what.split(' ').next().unwrap_or_default()) }
                }
            }
            (axis.ticks(TOP, bottom))
            @for delay in scale.ticks() {
                @let y = scale.y(delay);
                line.tick x1=(LEFT) y1=(y) x2=(LEFT + LENGTH) y2=(y) {}
                text.time x=(LEFT - 10) y=(y + 4) text-anchor="end" { (short(delay)) }
            }
            @if copies(run).any(|(_, copy)| copy.seen_ns.is_none()) {
                text.name x=(LEFT - 10) y="20" text-anchor="end" { "never" }
            }
            (points(run, axis, scale))
        }
    }
}

fn points(run: &Run<'_>, axis: Axis, scale: Scale) -> Markup {
    let mut taken = BTreeSet::new();
    html! {
        @for (message, copy) in copies(run) {
            @let x = axis.x(message.sent_ns);
            @let delay = copy.seen_ns.map(|seen| seen.saturating_sub(message.sent_ns));
            @let y = delay.map_or(16, |delay| scale.y(delay));
            @if taken.insert((x / GRAIN, y / GRAIN)) {
                @match delay {
                    Some(delay) => circle.point cx=(x) cy=(y) r="3.5" { title { (message.id) " at " (copy.device) " after " (exact(delay)) } },
                    None => path.never d={ "M" (x - 4) " 12l8 8m0-8l-8 8" } { title { (message.id) " never at " (copy.device) } },
                }
            }
        }
    }
}

/// A logarithmic scale of delays, by the sixteenths of a power of two.
#[derive(Clone, Copy)]
struct Scale {
    longest: u64,
}

impl Scale {
    fn y(self, delay: u64) -> u64 {
        let (least, most) = (log(SHORTEST), log(self.longest));
        let along = log(delay.clamp(SHORTEST, self.longest)) - least;
        TOP + HEIGHT - along * HEIGHT / (most - least).max(1)
    }

    fn ticks(self) -> impl Iterator<Item = u64> {
        let powers = std::iter::successors(Some(SHORTEST), |delay| delay.checked_mul(10));
        powers.take_while(move |delay| *delay <= self.longest)
    }
}

fn log(ns: u64) -> u64 {
    let power = 1_u64 << ns.ilog2();
    u64::from(ns.ilog2()) * 16 + (ns - power) * 16 / power
}

fn short(ns: u64) -> String {
    rounded(Duration::from_nanos(ns))
}

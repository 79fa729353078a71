//! Who said what to whom, and what became of it: machines across, simulated time down, one row for
//! each thing that happened, so that idle time costs no space.
//!
//! - `lanes`: which machine stands where.
//! - `rows`: which entry stands in which row.
//! - `legs`: a request or an answer on its way, and where it died.
//! - `marks`: what happened at a machine or to all of them.
//! - `shade`: faults, as long as they were in force.
//!
//! There are two pictures: one of what matters (what carried a message or went wrong), and one of
//! everything, folded away.

mod lanes;
mod legs;
mod marks;
mod rows;
mod shade;

use std::collections::BTreeSet;

use ::checks::record::EventRecord;
use maud::{Markup, html};

use self::{lanes::Lanes, legs::Leg, rows::Rows};
use super::Run;
use crate::words::{count, grouped, program};

/// The most arrows of a picture.
const MOST: usize = 5_000;
/// What takes part in a run without being a part of its federation: the one that plays it, and the
/// network itself.
const HARNESS: [&str; 2] = ["observer", "network"];

/// A picture of some of a run's entries.
struct Picture<'r> {
    /// Which of the two it is, as its ids begin.
    id: &'static str,
    lanes: Lanes<'r>,
    rows: Rows<'r>,
    legs: Vec<Leg<'r>>,
}

pub(super) fn section(run: &Run<'_>) -> Option<Markup> {
    let all = legs::all(run);
    if all.is_empty() {
        return None;
    }
    let over = marks::last_of(run).unwrap_or(u64::MAX);
    let told: Vec<Leg<'_>> =
        all.iter().filter(|leg| leg.matters() && leg.sent().n < over).copied().collect();
    let is_told = !told.is_empty() && told.len() < all.len();
    Some(html! {
        p.legend {
            "Machines stand side by side and time runs down; an arrow leaves when a request or an answer was sent, and ends where it arrived. "
            "Each leads to its entry in the journal."
        }
        (legend())
        @if is_told {
            (picture(run, ("s", &all), &told, "What carried a message, or went wrong"))
            details.more {
                summary { "Everything: " (count(all.len() as u64, "arrows")) }
                (picture(run, ("e", &all), &all, "Everything that was said"))
            }
        } @else {
            (picture(run, ("e", &all), &all, "Everything that was said"))
        }
        p.hint { "What only the observer said or asked, which plays the run, is in the journal and not drawn." }
    })
}

/// Draws some of all legs.
fn picture<'r>(
    run: &Run<'r>,
    (id, all): (&'static str, &[Leg<'r>]),
    legs: &[Leg<'r>],
    label: &str,
) -> Markup {
    let drawn = drawn(run, legs);
    let lanes = Lanes::of(run, &drawn, all);
    let events = events(run, &drawn, id == "s", drawn.len() == legs.len());
    let picture = Picture { id, rows: Rows::of(run, &events), lanes, legs: drawn };
    let (width, height) = (picture.lanes.width(), picture.rows.height());
    html! {
        div.scroll.tall.space tabindex="0" role="region" aria-label=(label) {
            (picture.lanes.heads())
            svg.space width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="group" aria-label=(label) {
                (picture.lanes.lines(height))
                (shade::faults(run, &picture))
                (picture.rows.margin(width))
                @for leg in &picture.legs { (leg.draw(run, &picture)) }
                @for event in &events { (marks::mark(run, &picture, event)) }
            }
        }
        @if picture.legs.len() < legs.len() {
            p.hint {
                "Drawing stops here: " (grouped(picture.legs.len() as u64)) " of " (grouped(legs.len() as u64)) " arrows are drawn. A trace has all of them: "
                code { (program(run.record)) " report . --format perfetto" }
            }
        }
    }
}

/// Returns the legs that are drawn: all of them, or as many as a picture takes, beginning so that
/// the violation is among them.
fn drawn<'r>(run: &Run<'r>, legs: &[Leg<'r>]) -> Vec<Leg<'r>> {
    let violated = run.violation.map_or(0, |event| event.n);
    let at = legs.iter().position(|leg| leg.sent().n >= violated).unwrap_or(0);
    let first = at.saturating_sub(MOST / 2).min(legs.len().saturating_sub(MOST));
    legs[first..(first + MOST).min(legs.len())].to_vec()
}

/// Returns the entries that get a row, in order: both ends of each leg, and what happened besides.
/// A picture of what matters begins when the cluster was ready, ends when the world had settled,
/// and leaves out what every machine does anyway; a picture that cannot take all arrows begins and
/// ends with those that it takes.
fn events<'r>(
    run: &Run<'r>,
    legs: &[Leg<'r>],
    is_told: bool,
    is_whole: bool,
) -> Vec<&'r EventRecord> {
    let ends: BTreeSet<u64> = legs.iter().flat_map(Leg::ends).collect();
    let (Some(first), Some(last)) = (ends.first(), ends.last()) else { return Vec::new() };
    let (first, last) = match (is_whole, is_told) {
        (false, _) => (*first, *last),
        (true, false) => (0, u64::MAX),
        (true, true) => {
            (marks::first_of(run).unwrap_or(0), marks::last_of(run).unwrap_or(u64::MAX))
        }
    };
    let there = |event: &&EventRecord| {
        let is_within = (first..=last).contains(&event.n);
        ends.contains(&event.n) || is_within && marks::has_row(run, event, is_told)
    };
    run.record.events.iter().filter(there).collect()
}

/// Shows what each kind of arrow means; and has the arrow heads, which all pictures share.
fn legend() -> Markup {
    html! {
        ul.legend {
            li { (swatch(&html! {
                defs {
                    @for (id, class) in [("h", "head"), ("hc", "head client"), ("hl", "head late"), ("ha", "head answer")] {
                        marker id=(id) class=(class) viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto" { path d="M0 .8 7.5 4 0 7.2z" {} }
                    }
                    pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" { path.hatch d="M0 0V6" {} }
                }
                path.leg d="M1 8H38" {}
            })) "arrived" }
            li { (swatch(&html! { path.leg.client d="M1 8H38" {} })) "of a device" }
            li { (swatch(&html! { path.leg.answer d="M1 8H38" {} })) "answer" }
            li { (swatch(&html! { path.leg.late d="M1 8H38" {} })) "late or held" }
            li { (swatch(&html! { path.leg.lost d="M1 8H30" {} path.cross d="M26 4l8 8m0-8l-8 8" {} })) "lost" }
            li { (swatch(&html! { rect.shade x="5" y="1" width="30" height="14" {} rect.hatched x="5" y="1" width="30" height="14" {} })) "fault in force" }
            li { (swatch(&html! { circle.violation cx="20" cy="8" r="5" {} })) "violation" }
        }
    }
}

fn swatch(drawn: &Markup) -> Markup {
    html! { svg width="40" height="16" viewBox="0 0 40 16" aria-hidden="true" { (drawn) } }
}

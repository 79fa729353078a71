//! A quantity of a campaign over its time, as a line between two axes.

use maud::{Markup, html};

use super::Point;
use crate::{time::coarse, words::grouped};

/// The width of the picture.
const WIDTH: u64 = 560;
/// Its height.
const HEIGHT: u64 = 190;
/// Where the line begins on the left: figures stand before it.
const LEFT: u64 = 72;
/// Where it ends on the right.
const RIGHT: u64 = 548;
/// Where the largest value is.
const TOP: u64 = 26;
/// Where zero is.
const BOTTOM: u64 = 160;

/// Returns a picture of `of` over time; none if there is no time to show.
pub(super) fn curve(points: &[Point], title: &str, of: impl Fn(&Point) -> u64) -> Option<Markup> {
    let last = points.last().filter(|it| it.at_ms > 0)?;
    let most = points.iter().map(&of).max()?.max(1);
    let x = |at_ms: u64| LEFT + at_ms.saturating_mul(RIGHT - LEFT) / last.at_ms;
    let y = |value: u64| BOTTOM - value.saturating_mul(BOTTOM - TOP) / most;
    let line: Vec<String> =
        points.iter().map(|it| format!("{},{}", x(it.at_ms), y(of(it)))).collect();
    let label = format!("{title}: {} after {}", grouped(of(last)), took(last.at_ms));
    let middle = last.at_ms / 2;
    Some(html! {
        figure.curve {
            figcaption { (title) }
            svg width=(WIDTH) height=(HEIGHT) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(label) {
                @for value in marks(most) {
                    line.tick x1=(LEFT) x2=(RIGHT) y1=(y(value)) y2=(y(value)) {}
                    text.time x=(LEFT - 8) y=(y(value) + 4) text-anchor="end" { (grouped(value)) }
                }
                polyline.line points=(line.join(" ")) {}
                @for (at_ms, anchor) in [(0, "start"), (middle, "middle"), (last.at_ms, "end")] {
                    text.time x=(x(at_ms)) y=(BOTTOM + 20) text-anchor=(anchor) { (took(at_ms)) }
                }
            }
        }
    })
}

fn took(ms: u64) -> String {
    coarse(ms.saturating_mul(1_000_000))
}

/// Returns the values that are marked: zero, half and all.
fn marks(most: u64) -> Vec<u64> {
    let mut marks = vec![0, most / 2, most];
    marks.dedup();
    marks
}

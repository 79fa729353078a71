//! When each fault was in force, drawn over time with what was sent, and as a table.

use ::checks::record::FaultRecord;
use maud::{Markup, html};

use super::{
    Run,
    axis::{Axis, LEFT, WIDTH},
};
use crate::{
    time::exact,
    words::{count, cut, grouped},
};

/// The most faults that are drawn and listed.
const MOST: usize = 60;
/// The height of a fault's row.
const ROW: u64 = 26;
/// Where the first row begins; above it are the messages.
const TOP: u64 = 34;
/// The most characters of a fault's name in the picture.
const NAME: usize = 30;

pub(super) fn section(run: &Run<'_>) -> Option<Markup> {
    let faults = &run.record.faults;
    if faults.is_empty() {
        return None;
    }
    let shown = &faults[..faults.len().min(MOST)];
    Some(html! {
        div.scroll tabindex="0" role="region" aria-label="Faults over time" { (picture(run, shown)) }
        div.scroll tabindex="0" role="region" aria-label="Faults" { (table(run, shown)) }
        @if faults.len() > MOST { p.hint { "and " (grouped((faults.len() - MOST) as u64)) " more faults" } }
    })
}

/// Returns the time until which a picture of the run is drawn: the last thing that a reader looks
/// for, not the long rest in which nothing happens.
pub(super) fn end(run: &Run<'_>) -> u64 {
    let record = run.record;
    let faults = record.faults.iter().filter_map(|fault| fault.until_ns.or(fault.from_ns));
    let sent = record.messages.iter().map(|message| message.answered_ns.unwrap_or(message.sent_ns));
    let seen = record.messages.iter().flat_map(|it| &it.copies).filter_map(|copy| copy.seen_ns);
    let checks = record.checks.iter().filter_map(|check| check.at_ns);
    let last = faults.chain(sent).chain(seen).chain(checks).max().unwrap_or(record.ended.at_ns);
    (last + last / 20).min(record.ended.at_ns.max(last))
}

fn picture(run: &Run<'_>, faults: &[FaultRecord]) -> Markup {
    let axis = Axis::to(end(run));
    let bottom = TOP + ROW * faults.len() as u64 + 8;
    html! {
        svg.chart width=(WIDTH) height=(bottom + 22) viewBox={ "0 0 " (WIDTH) " " (bottom + 22) } role="img" aria-label="Each fault as a bar over simulated time; the table below says the same" {
            (axis.ticks(TOP - 8, bottom))
            text.name x=(LEFT - 12) y="18" text-anchor="end" { "messages sent" }
            @for message in &run.record.messages {
                @let x = axis.x(message.sent_ns);
                path.send d={ "M" (x - 4) " 8h8l-4 9z" } { title { (message.id) " sent at " (exact(message.sent_ns)) } }
            }
            @for (fault, row) in faults.iter().zip(0..) { (bar(fault, axis, TOP + row * ROW)) }
            @if let Some(at) = run.violation.and(run.check).and_then(|check| check.at_ns) {
                @let x = axis.x(at);
                line.violation x1=(x) y1="2" x2=(x) y2=(bottom) {}
                text.violation x=(x + 6) y=(TOP - 6) { "✕ violated at " (exact(at)) }
            }
        }
    }
}

fn bar(fault: &FaultRecord, axis: Axis, y: u64) -> Markup {
    let inert = fault.hits == 0;
    html! {
        text.name x=(LEFT - 12) y=(y + 15) text-anchor="end" { (cut(&fault.what, NAME)) title { (fault.what) } }
        @match fault.from_ns {
            None => text.quiet x=(LEFT + 6) y=(y + 15) { "never began" },
            Some(from) => {
                @let (x, until) = (axis.x(from), axis.x(fault.until_ns.unwrap_or(u64::MAX)));
                rect.fault.inert[inert] x=(x) y=(y + 3) width=(until.saturating_sub(x).max(3)) height=(ROW - 9) rx="3" {
                    title { (fault.what) ", " (during(fault)) ", " (touched(fault)) }
                }
                @if inert { text.quiet x=(until + 6) y=(y + 15) { "inert" } }
            },
        }
    }
}

fn during(fault: &FaultRecord) -> String {
    match (fault.from_ns, fault.until_ns) {
        (None, _) => "never began".to_owned(),
        (Some(from), Some(until)) => format!("{} – {}", exact(from), exact(until)),
        (Some(from), None) => format!("{} – the end", exact(from)),
    }
}

fn touched(fault: &FaultRecord) -> String {
    match (fault.requests, fault.hits) {
        (0, 0) => "inert: touched nothing".to_owned(),
        (0, hits) => format!("no request, {}", count(hits, "hits")),
        (requests, _) => format!("touched {}", count(requests, "requests")),
    }
}

fn table(run: &Run<'_>, faults: &[FaultRecord]) -> Markup {
    let is_there = |n: &u64| crate::evidence::find(&run.record.events, *n).is_some();
    html! {
        table {
            thead { tr { th { "fault" } th { "in force" } th { "touched" } th { "began" } } }
            tbody {
                @for fault in faults {
                    tr {
                        td { b { (fault.what) } }
                        td { (during(fault)) }
                        td.doubtful[fault.hits == 0] { (touched(fault)) }
                        td {
                            @match fault.trigger.filter(is_there) {
                                Some(n) => a href={ "#j" (n) } { (fault.when) },
                                None => (fault.when),
                            }
                        }
                    }
                }
            }
        }
    }
}

//! A request or an answer on its way, and where it died.

use ::checks::record::{EventRecord, MachineKind};
use maud::{Markup, html};

use super::{HARNESS, Picture, rows::later};
use crate::{
    evidence::{path, what},
    exchange::Exchange,
    html::{Run, time},
    reach::{Reach, overlaps},
    words::cut,
};

/// What takes longer than this on its way is late: 1 s.
const LATE: u64 = 1_000_000_000;
/// An answer that is given later than this says what it answers: 200 ms.
const LONG: u64 = 200_000_000;
/// The most characters beside an arrow, and how wide one is, about: pixels.
const LETTERS: usize = 26;

/// One way of an exchange.
#[derive(Clone, Copy)]
pub(super) struct Leg<'r> {
    exchange: Exchange<'r>,
    is_answer: bool,
    fate: Fate,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrived,
    Late,
    Held,
    Lost,
}

/// Returns every leg between machines of the federation, in the order in which they left.
pub(super) fn all<'r>(run: &Run<'r>) -> Vec<Leg<'r>> {
    let ours = |exchange: &&Exchange<'r>| {
        !HARNESS.contains(&&*exchange.sent.node) && !HARNESS.contains(&exchange.to())
    };
    let mut legs: Vec<Leg<'_>> = Vec::new();
    for exchange in run.exchanges.iter().filter(ours) {
        let both = [(false, true), (true, exchange.answer.is_some())];
        for (is_answer, _) in both.into_iter().filter(|(_, is_there)| *is_there) {
            let mut leg = Leg { exchange: *exchange, is_answer, fate: Fate::Arrived };
            leg.fate = leg.fate(run);
            legs.push(leg);
        }
    }
    legs.sort_by_key(|leg| leg.sent().n);
    legs
}

impl<'r> Leg<'r> {
    pub(super) fn sent(&self) -> &'r EventRecord {
        self.exchange.answer.filter(|_| self.is_answer).unwrap_or(self.exchange.sent)
    }

    fn arrived(&self) -> Option<&'r EventRecord> {
        if self.is_answer { self.exchange.answer_arrived } else { self.exchange.arrived }
    }

    pub(super) fn from(&self) -> &'r str {
        if self.is_answer { self.exchange.to() } else { &self.exchange.sent.node }
    }

    pub(super) fn to(&self) -> &'r str {
        if self.is_answer { &self.exchange.sent.node } else { self.exchange.to() }
    }

    fn message(&self) -> Option<&'r str> {
        if self.is_answer { self.exchange.message() } else { self.exchange.asks_about() }
    }

    /// Returns the entries of its two ends.
    pub(super) fn ends(&self) -> impl Iterator<Item = u64> + use<'r> {
        [Some(self.sent()), self.arrived()].into_iter().flatten().map(|event| event.n)
    }

    fn fate(&self, run: &Run<'_>) -> Fate {
        let sent = self.sent();
        let Some(arrived) = self.arrived() else { return Fate::Lost };
        if arrived.since(sent) <= LATE {
            return Fate::Arrived;
        }
        let [from, until] = [sent, arrived].map(|it| u64::try_from(it.at_ns).unwrap_or(0));
        let mut holds = run.record.faults.iter().filter(|fault| fault.what.starts_with("hold"));
        if holds.any(|fault| overlaps(fault, from, until)) { Fate::Held } else { Fate::Late }
    }

    /// Returns whether it carries a message or went wrong by a fault: what a reader looks for.
    pub(super) fn matters(&self) -> bool {
        let by_fault = |loss: &str| !["closed", "over", "dropped"].contains(&loss);
        let is_lost = self.exchange.loss().is_some_and(by_fault);
        let is_refused =
            self.exchange.status().is_some_and(|status| status.starts_with(['4', '5']));
        let carries = self.message().is_some();
        carries || is_lost || is_refused || matches!(self.fate, Fate::Late | Fate::Held)
    }

    fn class(&self, run: &Run<'_>) -> String {
        let is_device = |name| run.kind_of(name) == Some(MachineKind::Device);
        let client = if is_device(self.from()) || is_device(self.to()) { " client" } else { "" };
        let answer = if self.is_answer { " answer" } else { "" };
        let fate = match self.fate {
            Fate::Arrived => "",
            Fate::Late | Fate::Held => " late",
            Fate::Lost => " lost",
        };
        format!("leg{client}{answer}{fate}")
    }

    /// Returns the words beside it.
    fn label(&self, room: usize) -> String {
        let sent = self.sent();
        let message = self.message().unwrap_or_default();
        let status = self.exchange.status().unwrap_or_default();
        let waited = sent.since(self.exchange.sent);
        let said = match self.is_answer {
            false => format!("{} {message}", sent.what),
            // Nobody remembers what was asked so long ago.
            true if waited > LONG || self.brings_news() => {
                format!("{status} {} {message}", sent.what)
            }
            true => status.to_owned(),
        };
        cut(said.trim(), room.max(LETTERS))
    }

    /// Returns whether an answer carries a message that nobody asked about.
    fn brings_news(&self) -> bool {
        self.exchange.message().is_some() && self.exchange.asks_about().is_none()
    }

    fn title(&self) -> String {
        let sent = self.sent();
        let fate = match (self.fate, self.arrived()) {
            (Fate::Lost, _) => {
                let lost = self.exchange.loss().map(|loss| format!("lost: {loss}"));
                lost.unwrap_or_else(|| "never arrived".to_owned())
            }
            (Fate::Late | Fate::Held, Some(arrived)) => {
                format!("arrived {} later", later(arrived.since(sent)).trim_start_matches('+'))
            }
            _ => self.exchange.status().map(|it| format!("answered {it}")).unwrap_or_default(),
        };
        let fate = if fate.is_empty() { fate } else { format!(": {fate}") };
        format!("#{} at {}, {}, {}{fate}", sent.n, time(sent), path(sent), what(sent))
    }

    /// Draws it; nothing, if one of its machines has no lane.
    pub(super) fn draw(&self, run: &Run<'_>, picture: &Picture<'_>) -> Markup {
        let place = || {
            let x = (picture.lanes.x(self.from())?, picture.lanes.x(self.to())?);
            Some((x, picture.rows.y(self.sent().n)?))
        };
        let Some(((from, to), y)) = place() else { return html! {} };
        let right = to > from;
        let arrived = self.arrived().and_then(|event| picture.rows.y(event.n));
        let (end_x, end_y) =
            arrived.map_or_else(|| (self.death(picture, from, to), y + 12), |y| (to, y));
        // An arrow ends beside its lane, where its head can be seen.
        let end_x = if arrived.is_some() { end_x + if right { -2 } else { 2 } } else { end_x };
        let room = usize::try_from(to.abs_diff(from) / 6).unwrap_or(LETTERS);
        let label = self.label(room);
        html! {
            a.(self.class(run)) id={ (picture.id) (self.sent().n) } href={ "#j" (self.sent().n) } data-m=[self.message()] {
                title { (self.title()) }
                path d={ "M" (from) " " (y) "L" (end_x) " " (end_y) } {}
                @if arrived.is_none() { path.cross d={ "M" (end_x - 5) " " (end_y - 5) "l10 10m0-10l-10 10" } {} }
                @if self.fate == Fate::Held { @let (x, y) = (i32::midpoint(from, end_x), i32::midpoint(y, end_y)); path.bar d={ "M" (x - 4) " " (y - 7) "v14m8-14v14" } {} }
                @if !label.is_empty() {
                    text x=(from + if right { 8 } else { -8 }) y=(y - 4) text-anchor=[(!right).then_some("end")] {
                        (label)
                        @if self.fate == Fate::Late || self.fate == Fate::Held { tspan.late { " " (self.lateness()) } }
                    }
                }
            }
        }
    }

    fn lateness(&self) -> String {
        later(self.arrived().map_or(0, |arrived| arrived.since(self.sent())))
    }

    /// Returns where it died: at the cut between the two, at the machine that was down, or on the
    /// way.
    fn death(&self, picture: &Picture<'_>, from: i32, to: i32) -> i32 {
        let loss = self.exchange.loss().unwrap_or_default();
        let reach = Reach::of(loss, |name| picture.lanes.x(name).is_some());
        let between = from.min(to)..from.max(to);
        let gaps = picture.lanes.gaps(&reach.sides);
        let cut = gaps.into_iter().filter(|gap| between.contains(gap));
        let cut = cut.min_by_key(|gap| gap.abs_diff(from));
        let near = |x: i32| x + if to > from { -8 } else { 8 };
        match cut {
            Some(cut) => cut,
            None if reach.is_on(self.to()) => near(to),
            None if loss == "crashed" || reach.is_on(self.from()) => from + (to - from) / 5,
            None => i32::midpoint(from, to),
        }
    }
}

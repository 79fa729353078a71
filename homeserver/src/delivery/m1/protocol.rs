//! What each side of `m1` does with what it is told about one event of one room, as functions of what
//! it holds: nothing here reads or writes. `exhaustive` tries them in every order of messages.
//!
//! A member backend has a [`Seat`] in the vote; the owner has a [`Record`], which is durable, and may be
//! collecting votes, which is forgotten when its process ends.

use transport::endpoints::m1::Decision;

/// What a member backend holds of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seat {
    /// Nothing, or only what came past the owner and is not shown.
    Empty,
    /// It has voted yes, and hides the event.
    Hidden,
    /// Its users see the event.
    Shown,
}

/// What a member backend does when it is told a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// It shows what it has hidden.
    Show,
    /// It forgets what it has hidden.
    Forget,
    /// Nothing is left to do.
    Nothing,
    /// It cannot: it never voted, or has lost what it voted for.
    NeverPrepared,
}

/// Returns what a member backend does that holds `seat` and is told `decision` by the owner of the
/// room. Whoever else tells it is refused before this is asked.
pub(super) fn on_decision(seat: Seat, decision: Decision) -> Deed {
    match (seat, decision) {
        (Seat::Hidden, Decision::Commit) => Deed::Show,
        (Seat::Hidden, Decision::Abort) => Deed::Forget,
        (Seat::Empty, Decision::Commit) => Deed::NeverPrepared,
        (Seat::Shown, _) | (Seat::Empty, Decision::Abort) => Deed::Nothing,
    }
}

/// Returns what a member backend holds after it was asked for its vote by the owner of the room, on an
/// event that is acceptable to it; if it is not, its seat stays what it is, and it votes no.
pub(super) fn on_prepare(seat: Seat) -> Seat {
    match seat {
        Seat::Empty | Seat::Hidden => Seat::Hidden,
        Seat::Shown => Seat::Shown,
    }
}

/// What an owner has recorded about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Record {
    /// Nothing.
    None,
    /// A decision, which stands for ever.
    Decided(Decision),
}

impl From<Option<Decision>> for Record {
    fn from(decision: Option<Decision>) -> Self {
        decision.map_or(Self::None, Self::Decided)
    }
}

/// Returns what an owner answers who is asked what it has decided; `None`: nothing yet. An abort that
/// is not recorded is recorded before it is told.
pub(super) fn on_question(record: Record, is_collecting: bool) -> Option<Decision> {
    match record {
        Record::Decided(decision) => Some(decision),
        Record::None if is_collecting => None,
        Record::None => Some(Decision::Abort),
    }
}

/// What an owner does at the end of a round of votes that were all yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conclusion {
    /// It records the commit, and shows the event.
    Commit,
    /// It records the abort.
    Abort,
    /// It asks those who have joined meanwhile.
    AskNewcomers,
}

/// Returns what an owner concludes, whose record is `record` now, where `newcomers` have not voted and
/// this may be the `last` round.
pub(super) fn conclude(record: Record, newcomers: bool, last: bool) -> Conclusion {
    match record {
        // Whoever asked was told so.
        Record::Decided(Decision::Abort) => Conclusion::Abort,
        _ if newcomers && !last => Conclusion::AskNewcomers,
        _ if newcomers => Conclusion::Abort,
        _ => Conclusion::Commit,
    }
}

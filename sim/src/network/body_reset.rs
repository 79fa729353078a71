//! Resets in the middle of a body: the last segment of a message is cut short, and both ends are
//! reset behind it.

use std::{collections::BTreeSet, io};

use journal::{Event, Loss, recorder::Mark};

use super::{
    connection::{Connection, Payload, Side},
    link::Path,
    reset::break_end,
};
use crate::{
    fault::{After, Part},
    world::WorldState,
};

/// A reset that waits for its message.
pub(crate) struct ArmedReset {
    pub(crate) fault: u64,
    /// From requesting to answering machines.
    pub(crate) paths: BTreeSet<Path>,
    pub(crate) part: Part,
    pub(crate) after: After,
}

impl WorldState {
    /// Cuts short the message that ends in the next segment of `side`, if a reset waits for it.
    pub(crate) fn cut_body(&mut self, connection: &mut Connection, side: Side) {
        let path = connection.path(side);
        let pipe = connection.pipe(side);
        let marks = &pipe.segments[pipe.launched].marks;
        let Some(mark) = marks.last().copied() else { return };
        if self.links.cut_by(path).is_some() {
            return;
        }
        let (request, message, part) = match mark {
            Mark::Request(request) => (request, request, Part::Request),
            Mark::Answer(request, answer) => (request, answer, Part::Answer),
        };
        let asked = connection.path(Side::Client);
        let meant = |armed: &ArmedReset| armed.part == part && armed.paths.contains(&asked);
        let Some(at) = self.armed.body_resets.iter().position(meant) else { return };
        let armed = self.armed.body_resets.remove(at);
        self.hit(armed.fault, [request]);
        let missing = self.missing(message, armed.after);
        shorten(connection, side, missing);
    }

    /// Returns how many bytes of the body of message number `n` do not arrive: at least one.
    fn missing(&self, n: u64, after: After) -> usize {
        let length = match self.recorder.journal().get(n).map(|entry| &entry.event) {
            Some(Event::RequestSent(request)) => request.body.len(),
            Some(Event::AnswerSent(answer)) => answer.body.len(),
            _ => 0,
        };
        let arrives = match after {
            After::Bytes(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "a body's length is far below 2^53, and the share is from 0 to 1"
            )]
            After::Share(share) => (length as f64 * share.clamp(0.0, 1.0)) as usize,
        };
        length.saturating_sub(arrives).max(1)
    }

    /// Resets both ends behind a segment that was cut short and has arrived.
    pub(crate) fn reset_behind(&mut self, connection: &mut Connection) {
        self.lose_outstanding(connection, Loss::Reset);
        for side in [Side::Client, Side::Server] {
            break_end(connection, side, io::ErrorKind::ConnectionReset);
        }
    }
}

/// Takes bytes from the end of the next segment of `side`, and marks it.
fn shorten(connection: &mut Connection, side: Side, missing: usize) {
    let pipe = connection.pipe_mut(side);
    let segment = &mut pipe.segments[pipe.launched];
    segment.is_cut = true;
    segment.marks.clear();
    if let Payload::Data(bytes) = &mut segment.payload {
        let left = bytes.len().saturating_sub(missing);
        pipe.in_flight -= bytes.len() - left;
        bytes.truncate(left);
    }
}

//! Accepting: a segment that has arrived is handed to the socket that it is for.

use journal::recorder::Mark;

use super::{
    connection::{Connection, Payload, Side, Waiting},
    driver::Arrival,
};
use crate::world::WorldState;

impl WorldState {
    /// The second half of an arrival: hands the first segment of `side` to the other side's socket.
    pub(crate) fn accept(&mut self, id: u64, side: Side) {
        let Some(mut connection) = self.connections.take(id) else { return };
        if connection.end(side.other()).alive {
            self.accept_segment(id, &mut connection, side);
        }
        let now = self.now();
        let pipe = connection.pipe_mut(side);
        if let (false, true, Some(next)) =
            (pipe.scheduled, pipe.launched > 0, pipe.segments.front())
        {
            let due = next.due.max(now);
            pipe.scheduled = true;
            let emptied = pipe.emptied;
            self.schedule(due, Arrival::Segment(id, side, emptied));
        }
        self.keep(id, connection);
    }

    pub(crate) fn accept_segment(&mut self, id: u64, connection: &mut Connection, side: Side) {
        let is_for_replay = side == Side::Server && connection.replay.is_some();
        let pipe = connection.pipe_mut(side);
        let Some(segment) = pipe.segments.pop_front() else { return };
        pipe.launched = pipe.launched.saturating_sub(1);
        if is_for_replay && !matches!(segment.payload, Payload::Reset) {
            self.drop_answer(id, connection, &segment);
            return;
        }
        match segment.payload {
            Payload::Open => self.join_backlog(id, connection),
            Payload::Fin => {
                pipe.ended = true;
                connection.end_mut(side.other()).wake();
            }
            Payload::Reset => self.reset_arrives(connection, side),
            Payload::Data(bytes) => {
                pipe.in_flight -= bytes.len();
                if !connection.end(side.other()).held && connection.waiting == Waiting::No {
                    // The program has closed its socket and will never read this.
                    connection.pipe_mut(side).clear();
                    self.send_reset(id, connection, side.other());
                    return;
                }
                connection.pipe_mut(side).received.extend_from_slice(&bytes);
                note_arrivals(connection, side, &segment.marks);
                if let Some(reader) = connection.end_mut(side.other()).reader.take() {
                    reader.wake();
                }
                if segment.is_cut {
                    self.reset_behind(connection);
                }
            }
        }
    }
}

/// Remembers which messages are whole once the reader has read what is there now.
fn note_arrivals(connection: &mut Connection, side: Side, marks: &[Mark]) {
    let pipe = connection.pipe(side);
    let noted: usize = pipe.arrivals.iter().map(|(left, ..)| left).sum();
    let mut left = pipe.received.len() - noted;
    for mark in marks {
        let (key, is_request) = match mark {
            Mark::Request(request) => (*request, true),
            Mark::Answer(_, answer) => (*answer, false),
        };
        let Some(at) = connection.exchanges.arrived.iter().position(|(of, _)| *of == key) else {
            continue;
        };
        let (_, entry) = connection.exchanges.arrived[at];
        if !is_request {
            connection.exchanges.arrived.remove(at);
        }
        let arrivals = &mut connection.pipe_mut(side).arrivals;
        arrivals.push_back((std::mem::take(&mut left), entry, is_request));
    }
}

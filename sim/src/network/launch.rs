//! Launching: what a program wrote is decoded, written into the journal, and put on its link.

use journal::{
    Loss,
    http::Message,
    recorder::{Fired, Mark, Route},
};

use super::{
    connection::{Connection, Payload, Segment, Side},
    driver::Arrival,
    link::retransmit_after,
};
use crate::world::{Emission, WorldState};

impl WorldState {
    /// Decodes what is about to leave, and writes it into the journal. Returns the triggers that
    /// fire.
    pub(crate) fn decode(&mut self, emission: Emission) -> Vec<Fired> {
        let Emission::Segment(id, side) = emission else { return Vec::new() };
        let Some(mut connection) = self.connections.take(id) else { return Vec::new() };
        self.leaving = None;
        let fired = self.decode_segment(&mut connection, side);
        self.connections.put_back(id, connection);
        fired
    }

    pub(crate) fn decode_segment(&mut self, connection: &mut Connection, side: Side) -> Vec<Fired> {
        let pipe = connection.pipe_mut(side);
        let index = pipe.launched;
        let Some(Segment { payload: Payload::Data(bytes), cause, .. }) = pipe.segments.get(index)
        else {
            // An end, or nothing any more: what was written went with the connection.
            self.note_drop(connection, side);
            return Vec::new();
        };
        let cause = *cause;
        let messages = pipe.decoder.feed(bytes);
        let mut fired = Vec::new();
        for message in messages {
            let (mark, more) = self.journal_sent(connection, side, message, cause);
            connection.pipe_mut(side).segments[index].marks.extend(mark);
            fired.extend(more);
        }
        self.note_drop(connection, side);
        let is_let_go = !connection.end(Side::Client).held && connection.replay.is_none();
        if side == Side::Client && is_let_go {
            // The program wrote it and closed the socket in one instant: it waits for no answer.
            self.lose_outstanding(connection, Loss::Closed);
        }
        fired
    }

    /// Notes what a server that has let go of the connection leaves unanswered, if that was put off until
    /// the last of what it wrote has left.
    fn note_drop(&mut self, connection: &mut Connection, side: Side) {
        let is_last = connection.pipe(side).launched + 1 >= connection.pipe(side).segments.len();
        if side == Side::Server
            && is_last
            && let Some(why) = connection.end_mut(side).drops.take()
        {
            self.drop_unanswered(connection, why);
        }
    }

    pub(crate) fn journal_sent(
        &mut self,
        connection: &mut Connection,
        side: Side,
        message: Message,
        cause: Option<u64>,
    ) -> (Option<Mark>, Vec<Fired>) {
        let (from, to) = connection.path(side);
        let route = Route { from: &self.machines[from].name, to: &self.machines[to].name };
        let (bytes, is_upgrade) = match &message {
            Message::Request { bytes, .. } => (Some(bytes.clone()), false),
            Message::Answer { status, .. } => (None, *status == 101),
        };
        let replay = connection.replay.as_deref().map(|replay| (replay.of, replay.fault));
        let (now, message) = (self.start().elapsed(), (message, replay.map(|(of, _)| of), cause));
        let exchanges = &mut connection.exchanges;
        let Some(mark) = self.recorder.leaves(now, exchanges, route, message) else {
            return (None, Vec::new());
        };
        if is_upgrade {
            connection.pipe_mut(Side::Client).decoder.give_up();
            connection.pipe_mut(Side::Server).decoder.give_up();
        }
        if let (Mark::Request(n), Some(bytes)) = (mark, bytes) {
            self.leaving = Some((n, bytes));
            if let Some((_, fault)) = replay {
                // Nobody sent it: no trigger waits for it.
                self.hit(fault, [n]);
                return (Some(mark), Vec::new());
            }
        }
        (Some(mark), self.recorder.fire_left(mark))
    }

    /// Puts what was decoded on its link.
    pub(crate) fn launch(&mut self, emission: Emission) {
        let id = match emission {
            Emission::Syn(id) | Emission::Segment(id, _) => id,
        };
        let Some(mut connection) = self.connections.take(id) else { return };
        match emission {
            Emission::Syn(_) => {
                let path = connection.path(Side::Client);
                self.send_handshake(path, &mut connection, Arrival::Syn(id));
            }
            Emission::Segment(_, side) => self.launch_segment(id, &mut connection, side),
        }
        self.keep(id, connection);
    }

    pub(crate) fn launch_segment(&mut self, id: u64, connection: &mut Connection, side: Side) {
        let path = connection.path(side);
        let launched = connection.pipe(side).launched;
        if launched >= connection.pipe(side).segments.len() {
            return;
        }
        if let Some((request, bytes)) = self.leaving.take() {
            self.duplicate(connection, request, &bytes);
        }
        if !self.armed.body_resets.is_empty() {
            self.cut_body(connection, side);
        }
        let now = self.now();
        let delay = if self.links.cut_by(path).is_none() {
            self.count_kept(path, connection);
            self.segment_passage(path, connection, side)
        } else if !connection.end(side).alive {
            // A reset, which nobody would send again.
            self.hit_cut(path, connection);
            connection.pipe_mut(side).clear();
            return;
        } else {
            // Lost at once; the first retransmission finds out whether the link is still cut.
            self.hit_cut(path, connection);
            connection.pipe_mut(side).stalled.get_or_insert((1, now));
            retransmit_after(0, false)
        };
        let pipe = connection.pipe_mut(side);
        let due = (now + delay).max(pipe.last_due);
        pipe.last_due = due;
        pipe.segments[launched].due = due;
        pipe.launched += 1;
        if !pipe.scheduled {
            pipe.scheduled = true;
            let emptied = pipe.emptied;
            self.schedule(due, Arrival::Segment(id, side, emptied));
        }
    }
}

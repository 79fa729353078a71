//! Closing, as a kernel does when a program lets go of a socket, or dies.

use journal::Loss;

use super::{
    connection::{Connection, Handshake, Payload, Side},
    stream,
};
use crate::world::WorldState;

impl WorldState {
    /// Closes the socket of `side`: FIN after what was written, or a reset if something was left
    /// unread. Does nothing if no program holds it. `why` is what its program did: it let go of the
    /// socket, or it ended.
    pub(crate) fn close_socket(&mut self, id: u64, side: Side, why: Loss) {
        let Some(mut connection) = self.connections.take(id) else { return };
        if connection.end(side).held {
            connection.end_mut(side).held = false;
            self.say_goodbye(id, &mut connection, side, why);
        }
        self.keep(id, connection);
    }

    fn say_goodbye(&mut self, id: u64, connection: &mut Connection, side: Side, why: Loss) {
        match side {
            Side::Client => self.given_up(connection, why),
            Side::Server => self.dropped(connection, why),
        }
        let unread = !connection.pipe(side.other()).received.is_empty();
        let open = side == Side::Server || connection.handshake == Handshake::Open;
        match (open, unread && connection.end(side).alive) {
            // Nobody has to be told of a connection that never was.
            (false, _) => connection.end_mut(side).alive = false,
            (true, true) => self.send_reset(id, connection, side),
            (true, false) => end_writing(self, id, connection, side),
        }
    }

    /// Notes what the client of a connection, which lets go of it, does not get any more: the answers
    /// that it waited for, or the connection itself. A program that ended does not say that it has
    /// waited for one.
    fn given_up(&mut self, connection: &mut Connection, why: Loss) {
        // Whoever sees the end of what the other says was not the first to go.
        let is_answer_to_end = connection.pipe(Side::Server).ended;
        self.lose_outstanding(connection, if is_answer_to_end { Loss::Closed } else { why });
        if why == Loss::GivenUp && connection.handshake != Handshake::Open {
            self.connect_failed(connection, Loss::GivenUp);
        }
    }

    /// Notes what the server of a connection, which lets go of it, does not answer any more. That a
    /// program ended says so itself.
    fn dropped(&mut self, connection: &mut Connection, why: Loss) {
        if why != Loss::GivenUp {
            return;
        }
        let why = match (connection.end(Side::Server).alive, connection.pipe(Side::Client).ended) {
            (_, true) => Loss::Closed,
            (false, false) => Loss::Reset,
            (true, false) => Loss::GivenUp,
        };
        // An answer that was written in this very instant is in the journal only when it leaves.
        let is_writing =
            connection.pipe(Side::Server).launched < connection.pipe(Side::Server).segments.len();
        if is_writing {
            connection.end_mut(Side::Server).drops = Some(why);
        } else {
            self.drop_unanswered(connection, why);
        }
    }

    /// Writes down which requests the server of a connection does not answer any more.
    pub(super) fn drop_unanswered(&mut self, connection: &mut Connection, why: Loss) {
        let server = self.machines[connection.end(Side::Server).machine].name.clone();
        let now = self.now();
        self.in_journal(|state| {
            state.recorder.drop_unanswered(now, &mut connection.exchanges, &server, why);
        });
    }

    /// Closes listener number `number` on `port` of machine `index`, if it is there: what it has
    /// not accepted is reset.
    pub(crate) fn close_listener(&mut self, index: usize, port: u16, number: u64) {
        let listeners = &mut self.machines[index].listeners;
        if listeners.get(&port).is_none_or(|backlog| backlog.number != number) {
            return;
        }
        let ready = listeners.remove(&port).map(|backlog| backlog.ready);
        for id in ready.into_iter().flatten() {
            let Some(mut connection) = self.connections.take(id) else { continue };
            self.send_reset(id, &mut connection, Side::Server);
            self.keep(id, connection);
        }
    }

    /// Closes everything that the process on machine `index` left open when it died.
    pub(crate) fn close_all(&mut self, index: usize) {
        let listeners = &self.machines[index].listeners;
        let listeners: Vec<_> = listeners.iter().map(|(port, it)| (*port, it.number)).collect();
        for (port, number) in listeners {
            self.close_listener(index, port, number);
        }
        for id in self.connections.of(index) {
            for side in [Side::Client, Side::Server] {
                let connection = self.connections.get(id);
                if connection.is_some_and(|connection| connection.belongs(side, index)) {
                    self.close_socket(id, side, Loss::Closed);
                }
            }
        }
    }
}

/// Closes the writing half: FIN, once.
pub(crate) fn end_writing(
    state: &mut WorldState,
    id: u64,
    connection: &mut Connection,
    side: Side,
) {
    if !connection.pipe(side).closed && connection.end(side).alive {
        connection.pipe_mut(side).closed = true;
        stream::push(state, id, connection, side, Payload::Fin);
    }
}

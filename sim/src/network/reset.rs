//! Resets: a kernel says that it does not know a connection (any more).

use std::io;

use journal::Loss;

use super::{
    connection::{Connection, Payload, Side},
    driver::Arrival,
    stream,
};
use crate::world::WorldState;

impl WorldState {
    /// The kernel of `side` gives the connection up, and says so behind everything that it has
    /// sent.
    pub(crate) fn send_reset(&mut self, id: u64, connection: &mut Connection, side: Side) {
        connection.end_mut(side).alive = false;
        self.leave_backlog(connection);
        let last = connection.pipe(side).segments.back();
        if !last.is_some_and(|segment| matches!(segment.payload, Payload::Reset)) {
            stream::push(self, id, connection, side, Payload::Reset);
        }
    }

    /// A reset sent by `side` reaches the other. It is not retransmitted when it is lost: the next
    /// segment provokes another one.
    pub(crate) fn reset_arrives(&mut self, connection: &mut Connection, side: Side) {
        if side == Side::Server {
            self.lose_outstanding(connection, Loss::Reset);
        }
        // Behind a good end there is nothing left to break but the way back.
        let ended = connection.pipe(side).ended;
        let kind = if ended { io::ErrorKind::BrokenPipe } else { io::ErrorKind::ConnectionReset };
        break_end(connection, side.other(), kind);
    }

    /// The client hears that nothing listens; if the refusal is lost, it asks again.
    pub(crate) fn refusal_arrives(&mut self, id: u64, connection: &mut Connection) {
        let path = connection.path(Side::Server);
        if !connection.end(Side::Client).held {
            return;
        }
        if !self.gets_through(path, connection) {
            self.retry_handshake(connection, Arrival::Syn(id));
            return;
        }
        self.connect_failed(connection, Loss::Refused);
        break_end(connection, Side::Client, io::ErrorKind::ConnectionRefused);
    }
}

/// The socket of `side` is broken: its kernel forgets it, its program will see `kind`.
pub(crate) fn break_end(connection: &mut Connection, side: Side, kind: io::ErrorKind) {
    connection.pipe_mut(side).clear();
    let end = connection.end_mut(side);
    if end.alive {
        end.alive = false;
        end.error = Some(kind);
    }
    end.wake();
}

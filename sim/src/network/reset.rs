//! Resets: a kernel says that it does not know a connection (any more).

use std::io;

use super::{
    connection::{Connection, Side},
    driver::Arrival,
};
use crate::world::State;

impl State {
    /// `side` closes with unread data, or aborts: whatever it still had to say is lost.
    pub(crate) fn send_reset(&mut self, id: u64, connection: &mut Connection, side: Side) {
        connection.pipe_mut(side).clear();
        self.send_bare_reset(id, connection, side);
    }

    /// The kernel of `side` says that it does not know the connection (any more).
    pub(crate) fn send_bare_reset(&mut self, id: u64, connection: &mut Connection, side: Side) {
        connection.end_mut(side).alive = false;
        self.leave_backlog(connection);
        let due = self.now() + self.passage(connection.path(side), false);
        self.schedule(due, Arrival::Reset(id, side, false));
    }

    pub(crate) fn reset_arrives(&mut self, connection: &mut Connection, side: Side, refused: bool) {
        let path = connection.path(side);
        // A reset is not retransmitted; the next segment provokes another one.
        if !self.links.cut_by(path).is_empty() || !self.machines[path.1].powered {
            self.hit_cut(path, connection);
            return;
        }
        let kind =
            if refused { io::ErrorKind::ConnectionRefused } else { io::ErrorKind::ConnectionReset };
        if side == Side::Server {
            self.lose_outstanding(connection, "reset");
        }
        break_end(connection, side.other(), kind);
    }
}

/// The socket of `side` is broken: its kernel forgets it, its program will see `kind`.
pub(crate) fn break_end(connection: &mut Connection, side: Side, kind: io::ErrorKind) {
    connection.pipe_mut(side).clear();
    let end = connection.end_mut(side);
    end.alive = false;
    end.error.get_or_insert(kind);
    end.wake();
}

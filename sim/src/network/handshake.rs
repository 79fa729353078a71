//! The handshake: SYN, SYN-ACK, the backlog, refusal, and their retransmission.

use std::{io, sync::Arc};

use journal::{ConnectFailed, Event, Loss};

use super::{
    connection::{Connection, Handshake, Payload, Side, Waiting},
    driver::Arrival,
    link::{Parcel, Path, retransmit_after},
    reset::break_end,
    stream,
};
use crate::{machine::MAX_BACKLOG, world::WorldState};

impl WorldState {
    pub(crate) fn send_handshake(
        &mut self,
        path: Path,
        connection: &mut Connection,
        arrival: Arrival,
    ) {
        let now = self.now();
        connection.blocked = self.links.cut_by(path);
        let delay = if connection.blocked.is_none() {
            let (delay, changed_by) = self.passage(path, Parcel::HANDSHAKE);
            connection.blocked = changed_by;
            delay
        } else {
            self.hit_cut(path, connection);
            connection.stalled.get_or_insert((1, now));
            retransmit_after(0, true)
        };
        self.schedule(now + delay, arrival);
    }

    pub(crate) fn syn_arrives(&mut self, id: u64, connection: &mut Connection) {
        let path = connection.path(Side::Client);
        if !connection.end(Side::Client).held {
            return;
        }
        if !self.gets_through(path, connection) {
            connection.blocked = self.in_the_way(path);
            self.retry_handshake(connection, Arrival::Syn(id));
            return;
        }
        let is_bound = self.machines[path.1].listeners.contains_key(&connection.port);
        // Where nothing listens, no fault is needed.
        if let (true, Some(fault)) = (is_bound, self.armed.refusals.by(path, connection.port)) {
            self.hit(fault, []);
            connection.blocked = Some(fault);
            self.refuse(id, path);
            return;
        }
        let machine = &mut self.machines[path.1];
        let incarnation = machine.incarnation;
        match machine.listeners.get_mut(&connection.port) {
            None => {
                connection.blocked = machine.downed_by.oldest(|_| true);
                self.refuse(id, path);
            }
            // A full backlog drops the SYN, as Linux does; the client sends it again.
            Some(backlog) if backlog.waiting >= MAX_BACKLOG => {
                self.retry_handshake(connection, Arrival::Syn(id));
            }
            Some(backlog) => {
                backlog.waiting += 1;
                connection.waiting = Waiting::HalfOpen(backlog.number);
                connection.handshake = Handshake::SynReceived;
                connection.stalled = None;
                let end = connection.end_mut(Side::Server);
                (end.alive, end.incarnation) = (true, incarnation);
                self.send_handshake((path.1, path.0), connection, Arrival::SynAck(id));
            }
        }
    }

    pub(crate) fn refuse(&mut self, id: u64, path: Path) {
        let back = (path.1, path.0);
        let due = self.now() + self.passage(back, Parcel::REFUSAL).0;
        self.schedule(due, Arrival::Refusal(id));
    }

    pub(crate) fn syn_ack_arrives(&mut self, id: u64, connection: &mut Connection) {
        let path = connection.path(Side::Server);
        if !connection.end(Side::Server).alive {
            // The server lost power, and what it had sent with it: the client asks again.
            self.retry_handshake(connection, Arrival::Syn(id));
            return;
        }
        if !connection.end(Side::Client).held {
            // Given up in the meantime: the client's kernel refuses, and the listener forgets.
            connection.end_mut(Side::Server).alive = false;
            self.leave_backlog(connection);
            return;
        }
        if !self.gets_through(path, connection) {
            connection.blocked = self.in_the_way(path);
            self.retry_handshake(connection, Arrival::SynAck(id));
            return;
        }
        connection.handshake = Handshake::Open;
        connection.stalled = None;
        stream::push(self, id, connection, Side::Client, Payload::Open);
        connection.end_mut(Side::Client).wake();
        self.write_replay(id, connection);
    }

    pub(crate) fn retry_handshake(&mut self, connection: &mut Connection, arrival: Arrival) {
        let now = self.now();
        let (attempt, since) = connection.stalled.unwrap_or((0, now));
        if now - since >= self.config.user_timeout {
            self.connect_failed(connection, Loss::TimedOut);
            break_end(connection, Side::Client, io::ErrorKind::TimedOut);
            connection.end_mut(Side::Server).alive = false;
            self.leave_backlog(connection);
            return;
        }
        connection.stalled = Some((attempt + 1, since));
        self.schedule(now + retransmit_after(attempt, true), arrival);
    }

    /// Returns the fault that keeps everything from passing `path`.
    fn in_the_way(&self, path: Path) -> Option<u64> {
        self.links.cut_by(path).or_else(|| self.machines[path.1].unpowered_by())
    }

    /// Writes down that a connection does not come about, unless that is known already. A replay is
    /// asked for by nobody.
    pub(crate) fn connect_failed(&mut self, connection: &Connection, why: Loss) {
        if connection.replay.is_some() || !connection.end(Side::Client).alive {
            return;
        }
        let ((cause, asked), (from, to)) = (connection.asked, connection.path(Side::Client));
        let failed = ConnectFailed {
            to: Arc::clone(&self.machines[to].name),
            port: connection.port,
            why,
            waited: self.now().saturating_sub(asked),
            fault: connection.blocked,
        };
        self.write(from, cause, Event::ConnectFailed(failed));
    }

    /// The client's acknowledgment arrives: the connection can be accepted, unless the listener
    /// that had answered is gone. Another one on the same port knows nothing of it.
    pub(crate) fn join_backlog(&mut self, id: u64, connection: &mut Connection) {
        let machine = connection.end(Side::Server).machine;
        let backlog = self.machines[machine].listeners.get_mut(&connection.port);
        match backlog.filter(|it| connection.waiting == Waiting::HalfOpen(it.number)) {
            Some(backlog) => {
                connection.waiting = Waiting::Ready(backlog.number);
                backlog.ready.push_back(id);
                if let Some(waker) = backlog.waker.take() {
                    waker.wake();
                }
            }
            None => self.send_reset(id, connection, Side::Server),
        }
    }
}

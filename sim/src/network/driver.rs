//! The driver: the only place where segments move.
//!
//! A segment is *launched* (decoded, journaled, put on its link) in the order in which programs
//! wrote, and *arrives* when it is due, in order of time and then of launching. Triggers act
//! between the journal entry and the fate of the segment, so that a partition made when a request
//! is sent stops that very request.

use std::{io, time::Duration};

use journal::{
    Loss,
    recorder::{Fired, Mark},
};

use super::{
    connection::{Connection, Payload, Side},
    link::{Parcel, Passage, Path, retransmit_after},
    reset::break_end,
};
use crate::world::WorldState;

/// Something that is due at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Arrival {
    /// The SYN reaches the server's machine.
    Syn(u64),
    /// The SYN-ACK reaches the client's machine.
    SynAck(u64),
    /// The first segment that this side wrote reaches the other, unless its pipe, which had been
    /// emptied this often, has been emptied again since.
    Segment(u64, Side, u32),
    /// The refusal of the SYN reaches the client's machine.
    Refusal(u64),
    /// A replay begins to connect.
    Replay(u64),
    /// A replay has waited for long enough.
    ReplayOver(u64),
    /// A swizzle, by the number of its fault, takes its next step.
    Turn(u64),
}

impl WorldState {
    /// Handles what is due: the first half, up to the triggers that fire on it.
    pub(crate) fn arrive(&mut self, arrival: Arrival) -> (Option<(u64, Side)>, Vec<Fired>) {
        let id = match arrival {
            Arrival::Turn(fault) => {
                self.turn(fault);
                return (None, Vec::new());
            }
            Arrival::Syn(id)
            | Arrival::SynAck(id)
            | Arrival::Segment(id, ..)
            | Arrival::Refusal(id)
            | Arrival::Replay(id)
            | Arrival::ReplayOver(id) => id,
        };
        let Some(mut connection) = self.connections.take(id) else { return (None, Vec::new()) };
        if self.keeps(arrival, &mut connection) {
            self.connections.put_back(id, connection);
            return (None, Vec::new());
        }
        let mut accepts = None;
        let mut fired = Vec::new();
        match arrival {
            Arrival::Syn(_) => self.syn_arrives(id, &mut connection),
            Arrival::SynAck(_) => self.syn_ack_arrives(id, &mut connection),
            Arrival::Refusal(id) => self.refusal_arrives(id, &mut connection),
            Arrival::Replay(_) => {
                let path = connection.path(Side::Client);
                self.send_handshake(path, &mut connection, Arrival::Syn(id));
            }
            Arrival::Turn(_) => {}
            Arrival::ReplayOver(_) => self.end_replay(id, &mut connection),
            Arrival::Segment(_, side, emptied) if connection.pipe(side).emptied != emptied => {}
            Arrival::Segment(_, side, _) => {
                connection.pipe_mut(side).scheduled = false;
                let arrives = self.segment_arrives(id, &mut connection, side);
                let is_taken =
                    arrives && side == Side::Client && self.is_taken_in_front(id, &mut connection);
                if arrives && !is_taken {
                    fired = self.in_journal(|state| state.journal_arrived(&mut connection, side));
                    accepts = Some((id, side));
                }
            }
        }
        self.keep(id, connection);
        (accepts, fired)
    }

    /// Returns whether the first segment of `side` is taken by the other side's kernel.
    pub(crate) fn segment_arrives(
        &mut self,
        id: u64,
        connection: &mut Connection,
        side: Side,
    ) -> bool {
        let path = connection.path(side);
        let Some(first) = connection.pipe(side).segments.front() else { return false };
        let is_reset = matches!(first.payload, Payload::Reset);
        if !self.gets_through(path, connection) {
            self.retransmit(id, connection, side);
            return false;
        }
        connection.pipe_mut(side).stalled = None;
        if !connection.end(side.other()).alive {
            // Nobody knows this connection here (any more): the kernel answers with a reset, unless
            // this is one itself.
            connection.pipe_mut(side).clear();
            if !is_reset {
                self.send_reset(id, connection, side.other());
            }
            return false;
        }
        true
    }

    pub(crate) fn retransmit(&mut self, id: u64, connection: &mut Connection, side: Side) {
        if !connection.end(side).alive {
            // What a kernel has sent is not sent again once it has given the connection up.
            connection.pipe_mut(side).clear();
            return;
        }
        let now = self.now();
        let (attempt, since) = connection.pipe(side).stalled.unwrap_or((0, now));
        if now - since >= self.config.user_timeout {
            self.lose_outstanding(connection, Loss::TimedOut);
            for side in [Side::Client, Side::Server] {
                break_end(connection, side, io::ErrorKind::TimedOut);
            }
            return;
        }
        let pipe = connection.pipe_mut(side);
        pipe.stalled = Some((attempt + 1, since));
        pipe.scheduled = true;
        let again = Arrival::Segment(id, side, pipe.emptied);
        self.schedule(now + retransmit_after(attempt, false), again);
    }

    pub(crate) fn journal_arrived(
        &mut self,
        connection: &mut Connection,
        side: Side,
    ) -> Vec<Fired> {
        let (now, to) = (self.now(), connection.path(side).1);
        let marks = match connection.pipe(side).segments.front() {
            Some(segment) => segment.marks.clone(),
            None => Vec::new(),
        };
        let mut fired = Vec::new();
        for mark in marks {
            // Nobody waits for the answer to a replay.
            if connection.replay.is_none() || matches!(mark, Mark::Request(_)) {
                let name = &self.machines[to].name;
                let exchanges = &mut connection.exchanges;
                fired.extend(self.recorder.arrives(now, exchanges, name, mark));
            }
        }
        fired
    }

    /// Returns whether what arrives now gets through; if not, counts it for the fault that loses
    /// it.
    pub(crate) fn gets_through(&mut self, path: Path, connection: &Connection) -> bool {
        // What is sent back to a replay ends in the network.
        if connection.replay.is_some() && path == connection.path(Side::Server) {
            return true;
        }
        if self.links.cut_by(path).is_some() {
            self.hit_cut(path, connection);
            return false;
        }
        if !self.machines[path.1].powered {
            if let Some(fault) = self.machines[path.1].unpowered_by() {
                self.hit(fault, connection.exchanges.outstanding.iter().copied());
            }
            return false;
        }
        true
    }

    pub(crate) fn hit_cut(&mut self, path: Path, connection: &Connection) {
        if let Some(fault) = self.links.cut_by(path) {
            self.hit(fault, connection.exchanges.outstanding.iter().copied());
        }
    }

    /// Returns the time that a handshake or a reset takes over `path`, and the oldest fault that
    /// changed the link, if any did; counts it for each that did.
    pub(crate) fn passage(&mut self, path: Path, parcel: Parcel) -> (Duration, Option<u64>) {
        let Passage { delay, changed_by } = self.cross(path, parcel);
        for fault in &changed_by {
            self.hit(*fault, []);
        }
        (delay, changed_by.first().copied())
    }

    /// Returns the time that the next segment of `side` takes over `path`; counts it and its
    /// requests likewise.
    pub(crate) fn segment_passage(
        &mut self,
        path: Path,
        connection: &Connection,
        side: Side,
    ) -> Duration {
        let pipe = connection.pipe(side);
        let bytes = match &pipe.segments[pipe.launched].payload {
            Payload::Data(bytes) => bytes.len(),
            Payload::Open | Payload::Fin | Payload::Reset => 0,
        };
        let passage = self.cross(path, Parcel { bytes, handshake: false });
        for fault in passage.changed_by {
            self.hit(fault, connection.exchanges.outstanding.iter().copied());
        }
        passage.delay
    }

    fn cross(&mut self, path: Path, parcel: Parcel) -> Passage {
        let now = self.now();
        let names = (&*self.machines[path.0].name, &*self.machines[path.1].name);
        self.links.take(path, names, parcel, now)
    }
}

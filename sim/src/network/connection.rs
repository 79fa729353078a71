//! A connection: two pipes of segments in order, and the two sockets at their ends.

use std::{collections::VecDeque, io, task::Waker, time::Duration};

use bytes::{Bytes, BytesMut};
use journal::{
    Loss,
    http::{Decoder, Direction},
    recorder::{Exchanges, Mark},
};

use super::replay::Replay;

/// Bytes that may be on the way or unread in one direction before a writer has to wait.
pub(crate) const WINDOW: usize = 256 << 10;
/// The largest segment: a larger write is cut.
pub(crate) const MAX_SEGMENT: usize = 64 << 10;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// The one that connected.
    Client,
    /// The one that accepted.
    Server,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What a segment carries.
#[derive(Debug)]
pub(crate) enum Payload {
    /// The client's first acknowledgment: the connection is open at the server too.
    Open,
    Data(Bytes),
    /// No more bytes will come.
    Fin,
    /// The sender's kernel has given the connection up.
    Reset,
}

/// A segment on its way.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) payload: Payload,
    /// What led the sender to write it.
    pub(crate) cause: Option<u64>,
    /// Messages that end in it.
    pub(crate) marks: Vec<Mark>,
    /// When it arrives, once the driver has put it on its link.
    pub(crate) due: Duration,
    /// Its end is missing, and a reset comes instead.
    pub(crate) is_cut: bool,
}

/// One direction of a connection.
pub(crate) struct Pipe {
    /// Segments written and not yet arrived, in order.
    pub(crate) segments: VecDeque<Segment>,
    /// How many of these, from the front, the driver has put on their link.
    pub(crate) launched: usize,
    /// Bytes in `segments`.
    pub(crate) in_flight: usize,
    /// Arrived and unread.
    pub(crate) received: BytesMut,
    /// Arrival entries of messages in `received`: bytes to read until the message is whole, the
    /// entry, and whether it is a request.
    pub(crate) arrivals: VecDeque<(usize, u64, bool)>,
    /// The sender has closed it.
    pub(crate) closed: bool,
    /// The FIN has arrived.
    pub(crate) ended: bool,
    /// How often the first segment was retransmitted in a row, and since when.
    pub(crate) stalled: Option<(u32, Duration)>,
    /// Whether a delivery of the first segment is scheduled.
    pub(crate) scheduled: bool,
    /// How often it was emptied; a delivery that was scheduled before that is void.
    pub(crate) emptied: u32,
    /// When the last segment put on the link arrives: later ones do not overtake it.
    pub(crate) last_due: Duration,
    pub(crate) decoder: Decoder,
}

impl Pipe {
    fn new(direction: Direction) -> Self {
        Self {
            segments: VecDeque::new(),
            launched: 0,
            in_flight: 0,
            received: BytesMut::new(),
            arrivals: VecDeque::new(),
            closed: false,
            ended: false,
            stalled: None,
            scheduled: false,
            emptied: 0,
            last_due: Duration::ZERO,
            decoder: Decoder::new(direction),
        }
    }

    /// Returns how many bytes a writer may still write.
    pub(crate) fn room(&self) -> usize {
        WINDOW.saturating_sub(self.in_flight + self.received.len())
    }

    /// Forgets everything that is on its way.
    pub(crate) fn clear(&mut self) {
        self.segments.clear();
        self.launched = 0;
        self.in_flight = 0;
        self.stalled = None;
        self.scheduled = false;
        self.emptied += 1;
        self.last_due = Duration::ZERO;
    }
}

/// A socket.
pub(crate) struct End {
    /// Index of its machine.
    pub(crate) machine: usize,
    /// The boot of the machine that the socket belongs to.
    pub(crate) incarnation: u64,
    /// Whether the kernel still knows the connection; not after a crash, nor after a reset.
    pub(crate) alive: bool,
    /// Whether a program holds it.
    pub(crate) held: bool,
    /// Why its program leaves what it has not answered unanswered, once all that it wrote before it let go
    /// is in the journal.
    pub(crate) drops: Option<Loss>,
    /// Why it broke; taken by the first call that it makes fail, as on Linux: later reads see the
    /// end, later writes a broken pipe.
    pub(crate) error: Option<io::ErrorKind>,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
}

impl End {
    fn new(machine: usize, incarnation: u64) -> Self {
        Self {
            machine,
            incarnation,
            alive: true,
            held: true,
            drops: None,
            error: None,
            reader: None,
            writer: None,
        }
    }

    pub(crate) fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

/// How far the handshake has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// The SYN is on its way.
    SynSent,
    /// The server has answered; its SYN-ACK is on its way.
    SynReceived,
    /// Open at the client.
    Open,
}

/// Where a connection waits to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Nowhere (any more).
    No,
    /// The listener of this number counts it, and waits for the client's acknowledgment.
    HalfOpen(u64),
    /// It is in the queue of the listener of this number, whatever its client does.
    Ready(u64),
}

/// A connection.
pub(crate) struct Connection {
    /// The port it was made to.
    pub(crate) port: u16,
    pub(crate) handshake: Handshake,
    pub(crate) waiting: Waiting,
    /// Retransmissions of SYN or SYN-ACK, and since when.
    pub(crate) stalled: Option<(u32, Duration)>,
    /// Who asked for it: the entry that led there, and when.
    pub(crate) asked: (Option<u64>, Duration),
    /// The fault that is in the way of the handshake, as far as it has come.
    pub(crate) blocked: Option<u64>,
    client: End,
    server: End,
    to_server: Pipe,
    to_client: Pipe,
    /// What is asked and answered over it.
    pub(crate) exchanges: Exchanges,
    /// What it replays, if anything: it is then the network's own, and no program holds its
    /// client's end.
    pub(crate) replay: Option<Box<Replay>>,
}

impl Connection {
    /// Returns a connection from the process (`machine`, `incarnation`) to `port` of machine `to`.
    pub(crate) fn new(from: (usize, u64), to: usize, port: u16) -> Self {
        let mut server = End::new(to, 0);
        server.alive = false;
        server.held = false;
        Self {
            port,
            handshake: Handshake::SynSent,
            waiting: Waiting::No,
            stalled: None,
            asked: (None, Duration::ZERO),
            blocked: None,
            client: End::new(from.0, from.1),
            server,
            to_server: Pipe::new(Direction::Requests),
            to_client: Pipe::new(Direction::Answers),
            exchanges: Exchanges::default(),
            replay: None,
        }
    }

    pub(crate) fn end(&self, side: Side) -> &End {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    pub(crate) fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Returns the pipe into which `side` writes.
    pub(crate) fn pipe(&self, side: Side) -> &Pipe {
        match side {
            Side::Client => &self.to_server,
            Side::Server => &self.to_client,
        }
    }

    /// Returns the pipe into which `side` writes.
    pub(crate) fn pipe_mut(&mut self, side: Side) -> &mut Pipe {
        match side {
            Side::Client => &mut self.to_server,
            Side::Server => &mut self.to_client,
        }
    }

    /// Returns from which machine to which a segment of `side` travels.
    pub(crate) fn path(&self, side: Side) -> (usize, usize) {
        (self.end(side).machine, self.end(side.other()).machine)
    }

    /// Returns whether the socket of `side` is one of machine `index`: a socket of the network's
    /// own belongs to none.
    pub(crate) fn belongs(&self, side: Side, index: usize) -> bool {
        self.end(side).machine == index && (side == Side::Server || self.replay.is_none())
    }

    /// Returns whether the network still delivers with it a request that may change something.
    pub(crate) fn replays_a_change(&self) -> bool {
        let changes = self.replay.as_ref().is_some_and(|replay| replay.changes());
        changes && self.client.held && self.client.alive
    }

    /// Returns whether nobody can notice this connection any more.
    pub(crate) fn is_over(&self) -> bool {
        let ready = matches!(self.waiting, Waiting::Ready(_));
        let unheld = !self.client.held && !self.server.held && !ready;
        let quiet = |pipe: &Pipe| pipe.segments.is_empty() && !pipe.scheduled;
        unheld && quiet(&self.to_server) && quiet(&self.to_client)
    }
}

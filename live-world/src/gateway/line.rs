//! One connection as the gateway records it: HTTP messages that leave and arrive.

use std::sync::Arc;

use bytes::Bytes;
use journal::{
    Loss,
    http::{Decoder, Direction, Message},
    recorder::{Exchanges, Mark},
};
use tokio::{sync::watch, time::Instant};

use super::Call;

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Whoever has connected.
    Client,
    /// Whoever was called.
    Server,
}

impl Side {
    /// Returns the other end.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// A connection.
pub(crate) struct Line {
    /// Who called whom.
    pub(crate) call: Call,
    /// Which boot of the client's machine, and of the server's, it belongs to.
    pub(crate) boots: [u64; 2],
    decoders: [Decoder; 2],
    /// What is asked and answered over it.
    pub(crate) exchanges: Exchanges,
    /// The request that it delivers again, if it does.
    pub(crate) replays: Option<u64>,
    /// Told once both ends are to be reset.
    pub(crate) broken: watch::Sender<bool>,
}

/// What is on its way from one end to the other.
pub(crate) enum Parcel {
    /// Bytes.
    Data {
        /// The bytes.
        bytes: Bytes,
        /// The messages that end in them.
        marks: Vec<Mark>,
        /// When they left.
        left: Instant,
        /// Whether both ends are reset behind them.
        is_cut: bool,
    },
    /// The sender has closed its end.
    End,
    /// The sender has reset the connection.
    Reset,
}

impl Line {
    pub(crate) fn new(call: Call, boots: [u64; 2], replays: Option<u64>) -> Self {
        let decoders = [Decoder::new(Direction::Requests), Decoder::new(Direction::Answers)];
        let (exchanges, broken) = (Exchanges::default(), watch::Sender::new(false));
        Self { call, boots, decoders, exchanges, replays, broken }
    }

    /// Returns the machine at `side`, and the one at the other.
    pub(crate) fn ends(&self, side: Side) -> (Arc<str>, Arc<str>) {
        let Call { from, to, .. } = &self.call;
        match side {
            Side::Client => (Arc::clone(from), Arc::clone(to)),
            Side::Server => (Arc::clone(to), Arc::clone(from)),
        }
    }

    /// Returns the messages that these bytes, written at `side`, complete.
    pub(crate) fn leave(&mut self, side: Side, bytes: &[u8]) -> Vec<Message> {
        let messages = self.decoders[side as usize].feed(bytes);
        let is_upgrade = |it: &Message| matches!(it, Message::Answer { status: 101, .. });
        if messages.iter().any(is_upgrade) {
            self.decoders.iter_mut().for_each(Decoder::give_up);
        }
        messages
    }

    /// Returns what became of its requests, if `why` is what became of the connection.
    pub(crate) fn loss(&self, why: Loss) -> Loss {
        if self.replays.is_some() { Loss::Dropped } else { why }
    }
}

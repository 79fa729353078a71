//! One connection as the taps at its two ends see it: HTTP messages that leave and arrive.

use std::{collections::VecDeque, sync::Arc};

use journal::{
    http::{Decoder, Direction, Message},
    recorder::{Exchanges, Mark},
};

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Client,
    Server,
}

/// A connection.
pub(crate) struct Line {
    pub(crate) client: Arc<str>,
    pub(crate) server: Arc<str>,
    /// Decode what each side writes.
    leaving: [Decoder; 2],
    /// Decode what each side reads.
    arriving: [Decoder; 2],
    /// What is asked and answered over it.
    pub(crate) exchanges: Exchanges,
    /// Messages on their way, by the side that sent them.
    pub(crate) marks: [VecDeque<Mark>; 2],
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl Line {
    pub(crate) fn new(client: Arc<str>, server: Arc<str>) -> Self {
        let decoder = Decoder::new;
        let (requests, answers) = (Direction::Requests, Direction::Answers);
        Self {
            client,
            server,
            leaving: [decoder(requests), decoder(answers)],
            arriving: [decoder(answers), decoder(requests)],
            exchanges: Exchanges::default(),
            marks: Default::default(),
        }
    }

    /// Returns the machine at `side`, and the one at the other.
    pub(crate) fn ends(&self, side: Side) -> (Arc<str>, Arc<str>) {
        match side {
            Side::Client => (Arc::clone(&self.client), Arc::clone(&self.server)),
            Side::Server => (Arc::clone(&self.server), Arc::clone(&self.client)),
        }
    }

    /// Returns the messages that these bytes, written at `side`, complete.
    pub(crate) fn leave(&mut self, side: Side, bytes: &[u8]) -> Vec<Message> {
        Self::feed(&mut self.leaving, side, bytes)
    }

    /// Returns the messages that these bytes, read at `side`, complete.
    pub(crate) fn arrive(&mut self, side: Side, bytes: &[u8]) -> Vec<Message> {
        Self::feed(&mut self.arriving, side, bytes)
    }

    /// Returns the next message that is on its way to `side`.
    pub(crate) fn next(&mut self, side: Side) -> Option<Mark> {
        self.marks[side.other() as usize].pop_front()
    }

    fn feed(decoders: &mut [Decoder; 2], side: Side, bytes: &[u8]) -> Vec<Message> {
        let messages = decoders[side as usize].feed(bytes);
        let is_upgrade = |it: &Message| matches!(it, Message::Answer { status: 101, .. });
        if messages.iter().any(is_upgrade) {
            decoders.iter_mut().for_each(Decoder::give_up);
        }
        // An interim answer (100, 103) ends nothing.
        let is_interim =
            |it: &Message| matches!(it, Message::Answer { status, .. } if *status < 200);
        messages.into_iter().filter(|it| !is_interim(it) || is_upgrade(it)).collect()
    }
}

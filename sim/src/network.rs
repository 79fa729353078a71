//! The network: streams over links that delay and never lose a segment for good.
//!
//! A model of TCP at the level that a program can see. Written here rather than taken from
//! `turmoil-net`, whose stack sweeps every socket of every machine for each packet that moves, and
//! keeps the port of a connection that was reset before it was accepted; neither fits a world of a
//! thousand machines that crash and come back.
//!
//! - [`link`]: what becomes of one segment on one directed link.
//! - [`keeping`], [`refusals`], [`body_reset`], [`replay`], [`proxy`], [`swizzle`]: what else
//!   faults do.
//! - [`connection`]: two pipes of segments in order, windows, FIN, reset. [`connections`]: all of
//!   them.
//! - [`stream`]: the socket as a program holds it.
//! - [`journal::http`]: requests and answers read off the segments.
//! - [`driver`]: the only place where segments move: [`launch`], [`handshake`], [`accept`],
//!   [`close`], [`reset`] are its parts.
//!
//! What is modeled, as a program on Linux sees it (`tests/tcp` performs one script over real
//! sockets and over these, and compares):
//! - the handshake; refusal; a bounded backlog, whose connections outlive their clients, are reset
//!   when their listener is dropped, and are nothing to the next listener on the same port;
//! - order, and flow control by a fixed window;
//! - half-close; FIN behind everything that was written, also when the program is gone by then;
//! - reset when a socket is closed with something unread, or written to when nobody holds it any
//!   more; behind everything that was sent before, and behind nothing that was not; what arrived
//!   before it can be read after it; reported to one call, after which reads see the end and writes
//!   a broken pipe; not at all to a reader that has seen the end;
//! - retransmission with back-off; the user timeout, which ends both sides at once; a kernel that
//!   does not know a connection resets it, one that is off says nothing.
//!
//! What is not:
//! - congestion, segment sizes, the time that bytes take on the wire, unless a link's bandwidth is
//!   limited;
//! - acknowledgments: a segment that arrives is acknowledged at once and for certain, and a reader
//!   frees window at once, so that a cut of one way hurts only what travels that way;
//! - the loss of a reset by chance (only a cut or a machine that is down loses it), keep-alives,
//!   `TIME_WAIT`, `FIN_WAIT_2`'s own timeout, and the scarcity of ports on the connecting side.

mod accept;
pub(crate) mod body_reset;
mod close;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod driver;
mod handshake;
pub(crate) mod keeping;
mod launch;
pub(crate) mod link;
pub(crate) mod proxy;
pub(crate) mod refusals;
pub(crate) mod replay;
mod reset;
pub(crate) mod stream;
pub(crate) mod swizzle;

use std::{num::NonZeroU64, time::Duration};

use journal::Latency;

use self::connection::Connection;
use crate::world::WorldState;

/// What faults do to what passes, apart from the links themselves.
#[derive(Default)]
pub(crate) struct Armed {
    pub(crate) refusals: refusals::Refusals,
    pub(crate) body_resets: Vec<body_reset::ArmedReset>,
    pub(crate) duplications: replay::Duplications,
    pub(crate) proxies: proxy::Proxies,
}

impl Armed {
    /// Undoes what a fault does.
    pub(crate) fn disarm(&mut self, fault: u64) {
        self.refusals.remove(fault);
        self.body_resets.retain(|armed| armed.fault != fault);
        self.duplications.remove(fault);
        self.proxies.remove(fault);
    }
}

impl WorldState {
    /// Returns whether the next segment of the client, which has arrived, is taken by somebody in
    /// front of the program it is for.
    pub(crate) fn is_taken_in_front(&mut self, id: u64, connection: &mut Connection) -> bool {
        self.answered_by_proxy(id, connection)
    }
}

/// A directed link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkConfig {
    /// One-way delay.
    pub latency: Latency,
    /// The probability that a segment is lost and has to be retransmitted.
    pub loss: f64,
    /// Bytes a second, shared by all that goes over it: each segment waits until the one before it
    /// has left. Unlimited if unset. A link that becomes fast again does not hurry what has left
    /// already.
    pub bandwidth: Option<NonZeroU64>,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            latency: Latency::Uniform(Duration::from_millis(1), Duration::from_millis(10)),
            loss: 0.0,
            bandwidth: None,
        }
    }
}

//! The network: streams over links that delay and never lose a segment for good.
//!
//! A model of TCP at the level that a program can see. Written here rather than taken from
//! `turmoil-net`, whose stack sweeps every socket of every machine for each packet that moves, and
//! keeps the port of a connection that was reset before it was accepted; neither fits a world of a
//! thousand machines that crash and come back.
//!
//! - [`link`]: what becomes of one segment on one directed link.
//! - [`connection`]: two pipes of segments in order, windows, FIN, reset.
//! - [`stream`]: the socket as a program holds it.
//! - [`http`]: requests and answers read off the segments.
//! - [`driver`]: the only place where segments move: [`launch`], [`handshake`], [`accept`],
//!   [`reset`] are its parts.
//!
//! What is modeled: the handshake, order, flow control by a fixed window, half-close, reset,
//! a bounded backlog, retransmission with back-off, the user timeout. What is not: congestion,
//! segment sizes, and the delay of acknowledgements (a reader frees window at once).

mod accept;
pub(crate) mod connection;
pub(crate) mod driver;
mod handshake;
pub(crate) mod http;
mod launch;
pub(crate) mod link;
mod reset;
pub(crate) mod stream;

use std::time::Duration;

/// How long a segment travels, one way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Always the same.
    Fixed(Duration),
    /// Drawn evenly from the range for each segment; segments of a stream stay in order.
    Uniform(Duration, Duration),
}

/// A directed link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkConfig {
    /// One-way delay.
    pub latency: Latency,
    /// The probability that a segment is lost and has to be retransmitted.
    pub loss: f64,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            latency: Latency::Uniform(Duration::from_millis(1), Duration::from_millis(10)),
            loss: 0.0,
        }
    }
}

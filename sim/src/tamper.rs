//! Tampering: a machine whose node is honest and whose messages are not.
//!
//! [`tampered`] gives a node's host another network, through which HTTP/1.1 messages pass one by
//! one: a [`Tamper`] sees each, whole, and says what becomes of it. What it leaves alone goes on
//! byte for byte. After an upgrade, and where bytes are not HTTP/1.1, nothing is seen any more. The
//! journal has what was on the wire, that is, what a tamper made of it, not what the node wrote.

mod aside;
mod message;
mod net;
mod outgoing;
mod stream;

use std::{sync::Arc, time::Duration};

use transport::Host;

pub use self::message::HttpMessage;

/// Decides what becomes of the messages of one machine. It is asked in the order in which they
/// pass, by the machine's own tasks, and must be deterministic.
pub trait Tamper: Send + Sync + 'static {
    /// Returns what becomes of a request that the node makes to machine `to`, before it is on the
    /// wire.
    fn request_out(&self, to: &str, request: &HttpMessage) -> Dealing;

    /// Returns what becomes of a request from machine `from`, before the node reads it.
    fn request_in(&self, from: &str, request: &HttpMessage) -> Dealing;

    /// Returns what becomes of the node's answer to a `request` from machine `from`, before it is
    /// on the wire.
    fn answer_out(&self, from: &str, request: &HttpMessage, answer: &HttpMessage) -> Dealing;
}

/// What becomes of a message, and what is sent alongside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dealing {
    /// What becomes of it.
    pub fate: Fate,
    /// Requests that are sent alongside a request of the node; none go with an answer.
    pub asides: Vec<Aside>,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on, byte for byte.
    Pass,
    /// This one goes on in its place.
    Replace(HttpMessage),
    /// Nothing goes on: whoever waits for it waits in vain.
    Withhold,
    /// Only this many of its bytes go on; then the connection is closed. For a request that the
    /// node is to read, this means [`Fate::Withhold`].
    Cut(usize),
    /// Nothing goes on to the node, and this is the answer. For anything but a request that the
    /// node is to read, this means [`Fate::Withhold`].
    Answer(HttpMessage),
}

/// A request that goes with a request of the node: to the same machine, on a connection of its own.
/// Nobody reads its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The request.
    pub request: HttpMessage,
    /// Whether it waits until the node's own request is answered.
    pub after_answer: bool,
    /// The pause after each byte; all at once if unset.
    pub pause: Option<Duration>,
}

impl From<Fate> for Dealing {
    fn from(fate: Fate) -> Self {
        Self { fate, asides: Vec::new() }
    }
}

/// Returns the same host, with every message of its sockets dealt with by `tamper`.
pub fn tampered(host: Host, tamper: Arc<dyn Tamper>) -> Host {
    let net = Arc::new(net::TamperedNet { host: host.clone(), tamper });
    Host { net, ..host }
}

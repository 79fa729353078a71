//! Several homeservers on loopback, over real sockets and real disks.

#![expect(clippy::unwrap_used, reason = "these are tests: what cannot be had fails them")]

mod clock;
mod gaps;
mod hostile;
mod identity;
mod m1_gaps;
mod malformed;
mod membership;
mod messages;
mod operating;
mod queues;
mod relays;
mod stranger;
mod support;
mod switch;
mod unavailable;

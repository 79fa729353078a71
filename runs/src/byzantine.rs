//! Byzantine seats: machines whose node is honest and whose messages are not.
//!
//! A `Seat` stands between an honest homeserver or relay and the network, and while faults of its
//! are in force it does to the messages what they say. It holds the node's signing key, so that
//! what it makes up is signed as validly as it wants. One file for each sort of misdeed:
//! `signatures`, `bodies`, `events`, `mail`; `wire` signs.
//!
//! What is promised is promised by honest servers: checks judge neither what a byzantine backend
//! says to its users and peers, nor what its users see. A byzantine relay is judged: it is what
//! `relay-keeps` is about.

mod bodies;
mod events;
mod mail;
mod node;
mod seat;
mod signatures;
mod wire;

pub(crate) use self::{
    node::behind_its_seat,
    seat::{Seat, seats},
};

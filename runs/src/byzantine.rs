//! Dishonest peers: servers whose node is honest and whose messages are not.
//!
//! A `Tamperer` stands between an honest homeserver or relay and the network. While a fault of that
//! server is in force, it does to the messages what the fault says. It has the node's signing key,
//! so that it can sign validly what it makes up. There is one file for each sort of misdeed:
//! `signatures`, `bodies`, `events`, `m1`, `mail`; `wire` signs.
//!
//! Only honest servers promise anything: checks judge neither what a dishonest backend says to its
//! users and peers, nor what its users see. A dishonest relay is judged: `relay-keeps` is about it.

mod bodies;
mod events;
mod m1;
mod mail;
mod node;
mod signatures;
mod tamperer;
mod wire;

pub(crate) use self::{
    node::behind_its_tamperer,
    tamperer::{Tamperer, tamperers},
};

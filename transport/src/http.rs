//! HTTP/1.1 in and out over a [`crate::Host`]'s sockets, bounded everywhere.

mod client;
mod connector;
mod drain;
mod held;
mod json;
mod metered;
mod peer;
mod places;
mod room;
mod server;
mod traffic;
mod websocket;

pub use self::{
    client::{Address, Client, ClientLimits, RequestError},
    drain::Drain,
    peer::Peer,
    room::{AnswerRoom, TakenRoom},
    server::{ServerLimits, Watch, serve, serve_until, serve_watched},
    traffic::{BOUNDS_MS, CLASSES, Counted, Traffic},
    websocket::{WebSocket, upgrade},
};

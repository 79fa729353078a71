//! HTTP/1.1 in and out over a [`crate::Host`]'s sockets, bounded everywhere.

mod client;
mod connector;
mod drain;
mod held;
mod metered;
mod places;
mod server;
mod websocket;

pub use self::{
    client::{Address, Client, ClientLimits, RequestError},
    drain::Drain,
    server::{ServerLimits, serve, serve_until},
    websocket::{WebSocket, upgrade},
};

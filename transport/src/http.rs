//! HTTP/1.1 in and out over a [`crate::Host`]'s sockets, bounded everywhere.

mod client;
mod connector;
mod held;
mod server;
mod websocket;

pub use self::{
    client::{Address, Client, ClientLimits, RequestError},
    server::{ServerLimits, serve},
    websocket::{WebSocket, upgrade},
};

//! What the bottom layer promises, over sockets in memory and over real ones.

mod database;
mod endpoints;
mod federation;
mod golden;
mod http;
mod keys;
mod machines;
mod real;
mod websocket;

//! The relay on real sockets and a real disk, called by signed requests.
//!
//! `world` starts a relay and homeservers with keys of their own; each other file asks for one
//! promise.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod carried;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod forwarder;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod process;
#[cfg(test)]
mod retriever;
#[cfg(test)]
mod server;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod world;

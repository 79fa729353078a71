//! Campaigns: one contract for every queue; campaigns of this machine and over a real NATS server, whose
//! workers and server are killed; what is found, given up and compared.

/// Ends the test that begins with it where there is no `nats-server`, and says so.
macro_rules! needs_nats {
    () => {
        if crate::server::is_missing() {
            return;
        }
    };
}

mod certificates;
mod contract;
mod cost;
mod jwt;
mod kills;
mod local;
mod orders;
mod secrets;
mod server;
mod together;

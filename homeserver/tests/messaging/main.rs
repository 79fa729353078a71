//! Real homeservers in one process, over loopback sockets and real files, through their public
//! APIs.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod around;
mod beside;
mod bounds;
mod client_api;
mod context;
mod encryption;
mod filters;
mod joins;
mod lazy_members;
mod m1;
mod m1_2021;
mod m1_calls;
mod m1_lapses;
mod m1_lies;
mod notifications;
mod push_rules;
mod pushers;
mod readers;
mod room_settings;
mod support;
mod tokens;
mod trust;

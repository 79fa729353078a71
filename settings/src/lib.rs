//! What operators and scenarios can set of the servers, and how a file says it.
//!
//! Reading order:
//! - [`table`]: a key that can be set: its unit, its default, what makes sense for it.
//!   [`HOMESERVER`] and [`RELAY`] are all of them.
//! - [`choice`]: what was chosen for a key.
//! - [`document`]: a file as it was written. [`amount`]: durations and sizes with units.
//!   [`mistake`]: what is wrong in a file, pointing at it.
//!
//! Invariant: nothing here knows of a server, a simulation, or a network. The servers read their
//! configuration with it, and scenarios the same keys in the table of a server.

pub mod amount;
pub mod choice;
pub mod document;
mod homeserver;
pub mod mistake;
mod relay;
mod rules;
pub mod table;

pub use self::{
    amount::{bytes, duration, duration_text, some_bytes},
    choice::{Choice, Choices},
    document::Document,
    homeserver::HOMESERVER,
    mistake::{Mistake, Wrong},
    relay::{LEGAL_BODY_BYTES, RELAY},
    table::{Kind, Setting, Settings},
};

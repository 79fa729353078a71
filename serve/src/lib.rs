//! Runs, campaigns and explorations in the browser: `fedsim serve`.
//!
//! Reading order:
//! - [`Place`]: which folder is shown, and where it is listened. [`open`] binds it, and
//!   [`Served::run`] answers for ever.
//! - `guard`: what every request and answer passes: who may ask, and what a page may do.
//! - `routes`: the HTTP interface, one line for each address. `answer`: what it answers, and what it
//!   says where it cannot.
//! - `folder`: what lies in the folder that is shown, and nothing outside of it. `shelf`: runs that
//!   were read, the last few of them kept.
//! - What is answered: `overview` (everything that lies there), `summary` (a run but for its
//!   journal), `entries` (a page of the journal), `entry` (one entry, with what it carried), `state`
//!   (every machine after an entry), `difference` (two runs), `exploration` (how far a search is).
//! - `pages`: the front end, built from `web/`, which is in TypeScript. The built files are in the
//!   repository, so that cargo alone builds everything; a test compares them.
//!
//! Invariants:
//! - It shows and decides nothing: verdicts, sentences and counts are the record's.
//! - It only reads. No address changes anything, and no page asks anybody but this program.
//! - A file that is broken, cut off or too large is a sentence that names it and what to do.
//! - No answer is larger than a page of a journal, however long the run was.

mod answer;
mod difference;
mod entries;
mod entry;
mod exploration;
mod folder;
mod guard;
mod listener;
mod overview;
mod pages;
mod routes;
mod server;
mod shelf;
mod state;
mod summary;

pub use self::server::{Place, Refused, Served, open};

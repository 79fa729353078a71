//! The simulated disk under a plain SQLite program: what SQLite guarantees on a disk that fails in
//! the documented ways holds on this one, and what it does not guarantee is really lost.

mod crashes;
mod failures;
mod incarnations;
mod program;

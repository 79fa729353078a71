//! The scenario language: what it refuses and how it says so, and that it reads what it writes.

#[path = "language/bad_files.rs"]
mod bad_files;
#[path = "language/builder.rs"]
mod builder;
#[path = "language/drawn.rs"]
mod drawn;
#[path = "language/generated.rs"]
mod generated;
#[path = "language/library.rs"]
mod library;
#[path = "language/round_trip.rs"]
mod round_trip;
#[path = "language/values.rs"]
mod values;

//! The families of faults in the language: one file for each reads its bodies, checks that they
//! make sense, and writes them. Beginnings and ends are the same for all (`read`, `meaning`).

mod disk;
mod network;
mod node;
mod peer;
mod shape;

use super::{
    meaning::Meaning,
    reader::Reader,
    reference::{Key, Value, need},
    table::{Item, Table},
    write::Inline,
};
use crate::scenario::FaultKind;

/// A kind of fault or operation as a scenario file names it.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// Its key.
    pub key: &'static str,
    /// What its value is.
    pub body: Value,
    /// How its value is written, as `{ node = "a" }`.
    pub example: &'static str,
    /// Its one meaning.
    pub means: &'static str,
}

impl Listed {
    /// Returns it as one of the keys of a fault or an operation.
    pub fn as_key(&self) -> Key {
        let Self { key, body, example, means } = *self;
        Key { key, value: body, default: Some(""), means, example }
    }
}

/// Every kind of fault, family by family.
pub const LISTED: &[&[Listed]] = &[network::LISTED, node::LISTED, disk::LISTED, peer::LISTED];

/// Returns the keys of which a fault has exactly one.
pub(super) fn keys() -> Vec<&'static str> {
    let mut keys: Vec<_> = LISTED.iter().copied().flatten().map(|listed| listed.key).collect();
    // A kind that is listed several times, once for each of its variants, has its lines side by
    // side.
    keys.dedup();
    keys
}

/// Reads the body of the fault called `key`.
pub(super) fn read(key: &str, body: &Item<'_>, reader: &mut Reader) -> Option<FaultKind> {
    let mut table = reader.table(body)?;
    let kind = network::read(key, &mut table, reader)
        .map(FaultKind::Network)
        .or_else(|| node::read(key, &mut table, reader).map(FaultKind::Node))
        .or_else(|| disk::read(key, &mut table, reader).map(FaultKind::Disk))
        .or_else(|| peer::read(key, &mut table, reader).map(FaultKind::Peer));
    table.done(reader);
    kind
}

/// Notes what makes no sense in the fault at `at`, such as `faults[0].crash`.
pub(super) fn check(kind: &FaultKind, at: &str, meaning: &mut Meaning<'_>) {
    match kind {
        FaultKind::Network(fault) => network::check(fault, at, meaning),
        FaultKind::Node(fault) => node::check(fault, at, meaning),
        FaultKind::Disk(fault) => disk::check(fault, at, meaning),
        FaultKind::Peer(fault) => peer::check(fault, at, meaning),
    }
}

/// Writes the body of a fault.
pub(super) fn write(kind: &FaultKind) -> Inline {
    match kind {
        FaultKind::Network(fault) => network::write(fault),
        FaultKind::Node(fault) => node::write(fault),
        FaultKind::Disk(fault) => disk::write(fault),
        FaultKind::Peer(fault) => peer::write(fault),
    }
}

/// The machine that a fault is about.
const NODE: Key = need("node", Value::Text("a machine"), "the machine", "\"a\"");

fn node(table: &mut Table<'_>, reader: &mut Reader) -> String {
    table.need("node", reader).and_then(|item| reader.text(&item)).unwrap_or_default()
}

fn flag(table: &mut Table<'_>, key: &'static str, reader: &mut Reader) -> bool {
    table.take(key, reader).and_then(|item| reader.flag(&item)).unwrap_or(false)
}

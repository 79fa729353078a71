//! All connections of a world, by number, and by the machines at their ends: the cost of a machine
//! that goes down depends on its own connections, not on everybody's.

use std::collections::{BTreeMap, BTreeSet};

use super::connection::{Connection, Side};

/// The connections that somebody can still notice.
#[derive(Default)]
pub(crate) struct Connections {
    /// Each has its place as long as it is not forgotten, which is empty while it is taken out: that
    /// happens several times for every segment that moves, and must not rebuild the tree.
    all: BTreeMap<u64, Option<Box<Connection>>>,
    /// Numbers of connections by the index of a machine at one of their ends; those that are taken
    /// out are among them.
    by_machine: BTreeMap<usize, BTreeSet<u64>>,
    /// How many there have ever been.
    count: u64,
}

impl Connections {
    /// Adds a connection; returns its number, from 1.
    pub(crate) fn add(&mut self, connection: Connection) -> u64 {
        self.count += 1;
        for machine in machines(&connection) {
            self.by_machine.entry(machine).or_default().insert(self.count);
        }
        self.all.insert(self.count, Some(Box::new(connection)));
        self.count
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Connection> {
        self.all.get(&id)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Connection> {
        self.all.get_mut(&id)?.as_deref_mut()
    }

    /// Takes a connection out, to work on it beside the rest of the world. It is put back, or
    /// forgotten.
    pub(crate) fn take(&mut self, id: u64) -> Option<Box<Connection>> {
        self.all.get_mut(&id)?.take()
    }

    /// Puts a connection back.
    pub(crate) fn put_back(&mut self, id: u64, connection: Box<Connection>) {
        if let Some(place) = self.all.get_mut(&id) {
            *place = Some(connection);
        }
    }

    /// Forgets a connection that was taken out, and is over.
    pub(crate) fn forget(&mut self, id: u64, connection: &Connection) {
        self.all.remove(&id);
        for machine in machines(connection) {
            if let Some(of_machine) = self.by_machine.get_mut(&machine) {
                of_machine.remove(&id);
            }
        }
    }

    /// Returns the numbers of the connections with an end at machine number `machine`, ascending.
    pub(crate) fn of(&self, machine: usize) -> Vec<u64> {
        self.by_machine.get(&machine).into_iter().flatten().copied().collect()
    }

    /// Returns all of them, in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.all.values().flatten().map(|connection| &**connection)
    }
}

/// Returns the machines at both ends.
fn machines(connection: &Connection) -> [usize; 2] {
    [Side::Client, Side::Server].map(|side| connection.end(side).machine)
}

//! Refusals: connection attempts that a machine answers with a reset while a fault lasts.

use super::link::Path;

/// Which machines refuse connections.
#[derive(Default)]
pub(crate) struct Refusals(Vec<(u64, usize, Option<u16>)>);

impl Refusals {
    /// Makes `machine` refuse connections to `port`; to any port if unset.
    pub(crate) fn add(&mut self, fault: u64, machine: usize, port: Option<u16>) {
        self.0.push((fault, machine, port));
    }

    pub(crate) fn remove(&mut self, fault: u64) {
        self.0.retain(|(other, ..)| *other != fault);
    }

    /// Returns the fault that refuses a connection over `path` to `port`.
    pub(crate) fn by(&self, path: Path, port: u16) -> Option<u64> {
        let refuses = |(_, machine, only): &&(u64, usize, Option<u16>)| {
            *machine == path.1 && path.0 != path.1 && only.is_none_or(|only| only == port)
        };
        self.0.iter().find(refuses).map(|(fault, ..)| *fault)
    }
}

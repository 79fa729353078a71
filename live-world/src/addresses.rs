//! The loopback addresses of one run: one for each machine, and one for each ordered pair of
//! machines, so that whoever is called at an address knows who calls.
//!
//! A run has a block of 65,536 addresses, `127.B.0.0` to `127.B.255.255`, to itself. `127.B.0.n` is
//! machine number n, and `127.B.m.n` is machine number n as machine number m sees it.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, TcpListener},
    process,
    sync::Arc,
};

/// The blocks that runs take.
const BLOCKS: std::ops::RangeInclusive<u8> = 20..=250;

/// The port that is bound in a block for as long as a run has it.
const CLAIM_PORT: u16 = 8447;

/// The most machines of a run: a number is a byte of an address, and neither the first nor the last.
pub(crate) const MOST_NUMBERS: usize = 253;

/// The addresses of one run.
#[derive(Debug)]
pub(crate) struct Addresses {
    block: u8,
    numbers: BTreeMap<Arc<str>, u8>,
    _claim: TcpListener,
}

impl Addresses {
    /// Takes a block that no other run on this machine has.
    ///
    /// # Errors
    /// Every block is taken, or there are too many machines.
    pub(crate) fn claim(machines: impl IntoIterator<Item = Arc<str>>) -> io::Result<Self> {
        let mut numbers = BTreeMap::new();
        for (machine, number) in machines.into_iter().zip(1..) {
            let number = u8::try_from(number).ok().filter(|it| usize::from(*it) <= MOST_NUMBERS);
            let number = number.ok_or_else(|| io::Error::other("too many machines"))?;
            numbers.insert(machine, number);
        }
        let count = BLOCKS.len();
        let first = process::id() as usize % count;
        for step in 0..count {
            let Some(block) = BLOCKS.clone().nth((first + step) % count) else { continue };
            let address = Ipv4Addr::new(127, block, 255, 254);
            match TcpListener::bind((address, CLAIM_PORT)) {
                Ok(claim) => return Ok(Self { block, numbers, _claim: claim }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "every block of loopback addresses is taken"))
    }

    /// Returns the address at which the program of a machine listens.
    pub(crate) fn own(&self, machine: &str) -> Ipv4Addr {
        Ipv4Addr::new(127, self.block, 0, self.number(machine))
    }

    /// Returns the address at which `from` finds `to`, and from which `to` is called by it.
    pub(crate) fn pair(&self, from: &str, to: &str) -> Ipv4Addr {
        Ipv4Addr::new(127, self.block, self.number(from), self.number(to))
    }

    /// Returns whether there is such a machine.
    pub(crate) fn knows(&self, machine: &str) -> bool {
        self.numbers.contains_key(machine)
    }

    fn number(&self, machine: &str) -> u8 {
        match self.numbers.get(machine) {
            Some(number) => *number,
            None => panic!("no machine is called `{machine}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Addresses;

    #[test]
    fn an_address_tells_who_calls_whom_and_two_runs_share_none() {
        let machines = || ["a", "b"].map(std::sync::Arc::from);
        let one = Addresses::claim(machines()).unwrap();
        let other = Addresses::claim(machines()).unwrap();
        assert_ne!(one.pair("a", "b"), one.pair("b", "a"));
        assert_ne!(one.pair("a", "b"), other.pair("a", "b"));
        assert!(one.own("a").is_loopback() && one.pair("b", "a").is_loopback());
    }
}

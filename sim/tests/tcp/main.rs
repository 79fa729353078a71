//! One script of socket situations, written once, over real loopback sockets and over the simulated
//! network: both must show a program the same.
//!
//! What the script does not look at, because no program can rely on it: how many bytes one read
//! brings, how many bytes the kernels take before a writer has to wait, whether a connection that
//! was given up during its handshake is accepted for a moment, and what a second shutdown returns.
#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod bodies;
mod closing;
mod ends;
mod opening;
mod resets;
mod script;

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use sim::{Latency, LinkConfig, WorldConfig};
use transport::real::{self, RealConfig};

use crate::script::{Account, Place, perform};

/// The script over loopback sockets of this machine.
fn real_account() -> Account {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bind = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    runtime.block_on(async {
        let host =
            real::host(directory.path(), &RealConfig { bind, ..RealConfig::default() }).unwrap();
        let (server, client) = (host.net.clone(), host.net.clone());
        perform(Place { server, client, name: "127.0.0.1".to_owned() }).await
    })
}

/// The script in a world whose links are `link`, from the machine `from` to the machine `b`.
fn simulated_account(seed: u64, link: LinkConfig, from: &'static str) -> Account {
    let config = WorldConfig { seed, link, ..WorldConfig::default() };
    let outcome = sim::run(config, move |world| async move {
        let server = world.add_seat("b").net;
        let client = if from == "b" { server.clone() } else { world.add_seat(from).net };
        perform(Place { server, client, name: "b".to_owned() }).await
    });
    outcome.value.unwrap()
}

/// Fails if the two accounts differ, with every situation in which they do.
fn compare(real: &Account, simulated: &Account, which: &str) {
    let differ: Vec<_> = real
        .iter()
        .zip(simulated)
        .filter(|(real, simulated)| real != simulated)
        .map(|((situation, real), (_, simulated))| {
            format!("{situation}\n  real      {real:?}\n  simulated {simulated:?}")
        })
        .collect();
    assert!(differ.is_empty(), "over {which} a program sees:\n{}", differ.join("\n"));
    assert_eq!(real.len(), simulated.len());
}

#[test]
fn a_program_sees_the_same_over_loopback_sockets_and_over_the_simulated_network() {
    let real = real_account();
    let ms = Duration::from_millis;
    let even = Latency::Uniform(ms(1), ms(10));
    let links = [
        ("links of 5 ms", link(Latency::Fixed(ms(5)), 0.0)),
        ("links of no time at all", link(Latency::Fixed(ms(0)), 0.0)),
        ("links of 1 to 10 ms", link(even, 0.0)),
        ("links that lose every fifth segment", link(even, 0.2)),
    ];
    for (which, link) in links {
        for seed in 0..8 {
            let simulated = simulated_account(seed, link, "a");
            compare(&real, &simulated, &format!("{which}, seed {seed}"));
        }
    }
    let alone = simulated_account(0, LinkConfig::default(), "b");
    compare(&real, &alone, "one machine that speaks with itself");
}

fn link(latency: Latency, loss: f64) -> LinkConfig {
    LinkConfig { latency, loss, ..LinkConfig::default() }
}

//! Which addresses are public: what a name that somebody else chose must not lead to is told here.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Returns the addresses that `name` stands for and that are public.
///
/// # Errors
/// It stands for none.
pub(super) async fn addresses(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((name, port)).await?;
    let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
    if public.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the name stands for no public address; others are reached with --allow-private",
        ));
    }
    Ok(public)
}

/// Returns whether an address is one that anybody could have (RFC 6890, "Special-Purpose IP Address
/// Registries").
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_shared = first == 100 && second & 0b1100_0000 == 64;
    let is_of_protocols = (first, second, third) == (192, 0, 0);
    let is_of_benchmarks = first == 198 && second & 0b1111_1110 == 18;
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || first == 0
        || first >= 240
        || is_shared
        || is_of_protocols
        || is_of_benchmarks)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Global unicast, apart from documentation and what carries another address within.
    let [first, second, ..] = address.segments();
    let is_documentation = (first, second) == (0x2001, 0x0db8);
    let is_tunnel = first == 0x2002 || (first, second) == (0x2001, 0);
    first & 0xe000 == 0x2000 && !is_documentation && !is_tunnel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_machine_or_its_network_knows_is_not_public() {
        let public = |text: &str| is_public(text.parse().unwrap());
        for address in ["1.1.1.1", "100.63.0.1", "172.32.0.1", "2606:4700::1111"] {
            assert!(public(address), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
        ] {
            assert!(!public(address), "{address}");
        }
    }
}

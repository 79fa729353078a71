//! Who calls, as far as it matters who has how much of what: an address, whatever port it calls from.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use http::HeaderMap;

/// The header in which proxies say for whom they call.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// An address that calls. Of IPv6 it is the network of 64 bits that one subscriber has at least.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer(Arc<str>);

impl Peer {
    /// Returns the peer of a connection, as [`crate::host::Listener::accept`] names it: an address and a
    /// port, or a machine.
    pub fn of(name: &str) -> Self {
        match name.parse::<SocketAddr>() {
            Ok(address) => Self::at(address.ip()),
            Err(_) => Self(name.into()),
        }
    }

    /// Returns the peer at an address.
    pub fn at(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_string().into()),
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                Self(format!("{}/64", Ipv6Addr::from(network)).into())
            }
        }
    }

    /// Returns for whom this peer, which is a proxy, makes a request; itself, if it does not say.
    pub(super) fn behind(&self, headers: &HeaderMap) -> Self {
        // Proxies append: what stands last is what this one saw.
        let last = headers.get_all(FORWARDED_FOR).iter().next_back();
        let last = last.and_then(|value| value.to_str().ok()?.rsplit(',').next());
        let address = last.and_then(|last| last.trim().parse().ok());
        address.map_or_else(|| self.clone(), Self::at)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_an_address_or_a_subscribers_network() {
        assert_eq!(Peer::of("192.0.2.1:5").to_string(), "192.0.2.1");
        assert_eq!(Peer::of("[::ffff:192.0.2.1]:5"), Peer::of("192.0.2.1:6"));
        assert_eq!(Peer::of("[2001:db8:1:2:3::4]:5").to_string(), "2001:db8:1:2::/64");
        assert_eq!(Peer::of("phone").to_string(), "phone");
    }

    #[test]
    fn a_proxy_is_believed_about_the_last_hop_alone() {
        let proxy = Peer::of("127.0.0.1:1");
        let mut headers = HeaderMap::new();
        assert_eq!(proxy.behind(&headers), proxy);
        headers.append(FORWARDED_FOR, "203.0.113.9".parse().unwrap());
        headers.append(FORWARDED_FOR, "198.51.100.1, 192.0.2.7".parse().unwrap());
        assert_eq!(proxy.behind(&headers), Peer::of("192.0.2.7:1"));
    }
}

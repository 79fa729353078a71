//! Where a NATS server is, and what it knows its clients by.

use std::{fmt, path::PathBuf, time::Duration};

use crate::queue::{Queue, Trouble};

/// A server, and what is needed to be let in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Server {
    /// Its address: `nats://host:4222`, or `tls://host:4222`; several with commas between them.
    pub url: String,
    /// The name of a user.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// A token.
    pub token: Option<String>,
    /// The seed of an nkey.
    pub nkey: Option<String>,
    /// A file of credentials, as `nsc` writes it.
    pub credentials: Option<PathBuf>,
    /// A file with the certificates of those who vouch for the server.
    pub authority: Option<PathBuf>,
    /// A file with the certificate of this client, and one with its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

impl Server {
    /// Returns the address as it may be shown: without what may stand before an `@`.
    pub fn shown(&self) -> String {
        let shown = |url: &str| match (url.split_once("://"), url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            (None, Some((_, host))) => host.to_owned(),
            (_, None) => url.to_owned(),
        };
        self.url.split(',').map(shown).collect::<Vec<_>>().join(",")
    }

    /// Returns whether a password or a token may go over a network that is not encrypted: unless
    /// the server asks for an encrypted line by itself, whoever listens can read it. Nkeys, JWTs and
    /// certificates prove who somebody is without telling a secret.
    pub fn may_tell_a_secret(&self) -> bool {
        let has_secret = self.password.is_some() || self.token.is_some();
        let is_encrypted = self.authority.is_some() || self.certificate.is_some();
        let is_open = |url: &str| !url.trim().starts_with("tls://") && !is_loopback(host(url));
        has_secret && !is_encrypted && self.url.split(',').any(is_open)
    }
}

/// Returns the host of an address.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest).trim();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => rest.split_once(':').map_or(rest, |(host, _)| host),
    }
}

fn is_loopback(host: &str) -> bool {
    let is_address = host.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback());
    is_address || host == "localhost"
}

impl fmt::Debug for Server {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.shown()).finish_non_exhaustive()
    }
}

/// Makes the queue of a new campaign at a server.
pub fn create(server: &Server, id: &str, lease: Duration) -> Result<Box<dyn Queue>, Trouble> {
    #[cfg(feature = "nats")]
    return crate::nats::Nats::create(server, id, lease).map(|it| Box::new(it) as Box<dyn Queue>);
    #[cfg(not(feature = "nats"))]
    {
        let _ = (id, lease);
        Err(unreachable(server))
    }
}

/// Finds a campaign at a server: the one of this name, or the one that was started last. Returns its
/// name.
pub fn find(server: &Server, id: Option<&str>) -> Result<(String, Box<dyn Queue>), Trouble> {
    #[cfg(feature = "nats")]
    return crate::nats::Nats::find(server, id)
        .map(|(id, it)| (id, Box::new(it) as Box<dyn Queue>));
    #[cfg(not(feature = "nats"))]
    {
        let _ = id;
        Err(unreachable(server))
    }
}

#[cfg(not(feature = "nats"))]
fn unreachable(server: &Server) -> Trouble {
    let shown = server.shown();
    Trouble::new(format!("this build cannot reach {shown}\nbuild it with --features nats"))
}

#[cfg(test)]
mod tests {
    use super::Server;

    #[test]
    fn a_password_for_another_machine_needs_an_encrypted_line() {
        let with = |url: &str| Server {
            url: url.to_owned(),
            password: Some("secret".to_owned()),
            ..Server::default()
        };
        for url in ["nats://alpha:4222", "alpha", "nats://[fd00::1]:4222", "tls://one,nats://two"] {
            assert!(with(url).may_tell_a_secret(), "{url}");
            assert!(!Server { password: None, ..with(url) }.may_tell_a_secret(), "{url}");
            let authority = Some("ca.pem".into());
            assert!(!Server { authority, ..with(url) }.may_tell_a_secret(), "{url}");
        }
        for url in ["tls://alpha", "nats://127.0.0.1:4222", "localhost", "nats://[::1]:4222"] {
            assert!(!with(url).may_tell_a_secret(), "{url}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let server = Server {
            url: "nats://me:secret@one:4222,tls://secret@two".to_owned(),
            password: Some("secret".to_owned()),
            ..Server::default()
        };
        assert_eq!(server.shown(), "nats://one:4222,tls://two");
        assert!(!format!("{server:?}").contains("secret"));
    }
}

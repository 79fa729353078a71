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

//! A node behind a tamperer.

use std::sync::Arc;

use ruma::OwnedServerName;
use sim::{Node, disk::DiskImage, tamper::tampered};
use transport::{BoxFuture, Host, federation::Identity};

use super::Tamperer;

/// An honest node whose messages pass through a tamperer.
struct ByzantineNode {
    node: Arc<dyn Node>,
    tamperer: Arc<Tamperer>,
    /// The server's name, and the database that keeps its key; none for a server that signs
    /// nothing.
    key: Option<(OwnedServerName, &'static str)>,
}

/// Puts `node` behind its tamperer, if it has one. With `key`, which is the server's name and the
/// name of the database on its disk that keeps its signing key, the tamperer can sign as the server
/// does.
pub(crate) fn behind_its_tamperer(
    tamperer: Option<&Arc<Tamperer>>,
    node: Arc<dyn Node>,
    key: Option<(OwnedServerName, &'static str)>,
) -> Arc<dyn Node> {
    match tamperer {
        Some(tamperer) => Arc::new(ByzantineNode { node, tamperer: Arc::clone(tamperer), key }),
        None => node,
    }
}

impl Node for ByzantineNode {
    fn run(&self, host: Host) -> BoxFuture<'static, Result<(), String>> {
        let (node, tamperer, key) =
            (Arc::clone(&self.node), Arc::clone(&self.tamperer), self.key.clone());
        Box::pin(async move {
            if let Some((name, database)) = key {
                tamperer.takes(identity(&host, name, database).await?);
            }
            node.run(tampered(host, tamperer)).await
        })
    }

    fn installation(&self) -> DiskImage {
        self.node.installation()
    }
}

/// Returns the identity that the node keeps on its disk, and makes it if the node has never run.
async fn identity(host: &Host, name: OwnedServerName, database: &str) -> Result<Identity, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let database = host.open(database).await.map_err(|error| text(&error))?;
    Identity::open(host, &database, name).await.map_err(|error| text(&error))
}

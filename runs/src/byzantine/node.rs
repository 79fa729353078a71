//! A node behind a byzantine seat.

use std::sync::Arc;

use ruma::OwnedServerName;
use sim::{Node, disk::DiskImage, tamper::tampered};
use transport::{BoxFuture, Host, federation::Identity};

use super::Seat;

/// An honest node whose messages pass through its seat.
struct ByzantineNode {
    node: Arc<dyn Node>,
    seat: Arc<Seat>,
    /// The server's name, and the database that keeps its key; none for who signs nothing.
    key: Option<(OwnedServerName, &'static str)>,
}

/// Puts `node` behind its seat, if it has one. With `key`, the server's name and the name of the database on its
/// disk that keeps its signing key, the seat can sign as the server does.
pub(crate) fn behind_its_seat(
    seat: Option<&Arc<Seat>>,
    node: Arc<dyn Node>,
    key: Option<(OwnedServerName, &'static str)>,
) -> Arc<dyn Node> {
    match seat {
        Some(seat) => Arc::new(ByzantineNode { node, seat: Arc::clone(seat), key }),
        None => node,
    }
}

impl Node for ByzantineNode {
    fn run(&self, host: Host) -> BoxFuture<'static, Result<(), String>> {
        let (node, seat, key) = (Arc::clone(&self.node), Arc::clone(&self.seat), self.key.clone());
        Box::pin(async move {
            if let Some((name, database)) = key {
                seat.takes(identity(&host, name, database).await?);
            }
            node.run(tampered(host, seat)).await
        })
    }

    fn installation(&self) -> DiskImage {
        self.node.installation()
    }
}

/// The identity that the node keeps on its disk, made now if the node has never run.
async fn identity(host: &Host, name: OwnedServerName, database: &str) -> Result<Identity, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let database = host.open(database).await.map_err(|error| text(&error))?;
    Identity::open(host, &database, name).await.map_err(|error| text(&error))
}

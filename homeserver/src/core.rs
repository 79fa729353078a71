//! What every layer above transport uses: the machine, the configuration, the database, and signed
//! calls to other servers.

use std::sync::Arc;

use ruma::{OwnedServerName, ServerName, UserId};
use transport::{
    Database, Host,
    federation::{Federation, Identity, KeyRing},
};

use crate::Config;

/// The parts shared by all layers. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    /// The machine.
    pub host: Host,
    /// What the operator set.
    pub config: Arc<Config>,
    /// The one database.
    pub database: Database,
    /// Who this server is.
    pub identity: Identity,
    /// Public keys of servers.
    pub keys: KeyRing,
    /// Signed calls out.
    pub federation: Federation,
}

impl Core {
    /// This server's name.
    pub fn server_name(&self) -> &ServerName {
        &self.identity.server_name
    }

    /// This server's name, owned.
    pub fn owned_server_name(&self) -> OwnedServerName {
        self.identity.server_name.clone()
    }

    /// Whether `user` is one of this server's.
    pub fn is_local(&self, user: &UserId) -> bool {
        user.server_name() == self.server_name()
    }
}

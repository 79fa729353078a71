//! What every layer above transport uses: the machine, the configuration, the database, and signed
//! calls to other servers; and the `bell` and the `bells` by which they wake whoever waits.

pub(crate) mod bell;
pub(crate) mod bells;
pub(crate) mod guards;
pub(crate) mod moment;

use std::{ops::Deref, sync::Arc};

use ruma::{OwnedServerName, ServerName, UserId};
use transport::{
    Database, Host,
    federation::{Federation, Identity, KeyRing},
};

use self::moment::AgeClock;
use crate::Config;

/// The parts shared by all layers. One reference, since every request clones it several times.
#[derive(Clone)]
pub struct Core(Arc<CoreFields>);

impl Deref for Core {
    type Target = CoreFields;

    fn deref(&self) -> &CoreFields {
        &self.0
    }
}

/// What is behind a [`Core`].
pub struct CoreFields {
    /// The machine.
    pub host: Host,
    /// What the operator set.
    pub config: Config,
    /// The one database.
    pub database: Database,
    /// Who this server is.
    pub identity: Identity,
    /// Public keys of servers.
    pub keys: KeyRing,
    /// Signed calls out.
    pub federation: Federation,
    /// The clock by which the age of what is kept is told.
    pub ages: AgeClock,
}

impl Core {
    /// Returns the core of these fields.
    pub fn new(fields: CoreFields) -> Self {
        Self(Arc::new(fields))
    }

    /// Returns this server's name.
    pub fn server_name(&self) -> &ServerName {
        &self.identity.server_name
    }

    /// Returns this server's name, owned.
    pub fn owned_server_name(&self) -> OwnedServerName {
        self.identity.server_name.clone()
    }

    /// Returns whether `user` is one of this server's.
    pub fn is_local(&self, user: &UserId) -> bool {
        user.server_name() == self.server_name()
    }
}

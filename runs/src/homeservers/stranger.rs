//! A server without any rights: it has a name and a key, and serves that key; nobody knows it.

use std::time::Duration;

use checks::history::Note;
use tokio::sync::OnceCell;
use transport::{
    Host,
    endpoints::relay::{RelayTxn, RelayTxnRequest},
    federation::{CallError, Federation, Identity, KeyRing},
    http::{Client, ClientLimits, ServerLimits, serve},
};

use super::cluster::{Cluster, FEDERATION_PORT, STRANGER, server_name};
use crate::federation::on_host;

/// The deadline of each attempt.
const DEADLINE: Duration = Duration::from_secs(30);

/// The entries that it tries to acknowledge: none, and the first ones that a relay can have.
const ENTRIES: [i64; 4] = [0, 1, 2, 3];

/// A server without any rights.
pub(super) struct Stranger {
    /// Its machine.
    pub(super) host: Host,
    federation: OnceCell<Federation>,
}

impl Stranger {
    /// Returns a stranger on this machine, which has no key yet.
    pub(super) fn new(host: Host) -> Self {
        Self { host, federation: OnceCell::new() }
    }

    /// Makes its key and serves it.
    ///
    /// # Errors
    /// Its disk or network refuses; the error is a sentence.
    pub(super) async fn prepare(&self) -> Result<(), String> {
        let made = on_host(&self.host, make(self.host.clone())).await;
        let federation = made.map_err(|_| "the stranger is gone".to_owned())??;
        // It is prepared once.
        drop(self.federation.set(federation));
        Ok(())
    }

    /// Asks `relay` for the mail of `victim`, and asks it to forget some of that mail.
    pub(super) async fn trespass(&self, cluster: &Cluster, relay: &str, victim: &str) {
        let Some(federation) = self.federation.get() else { return };
        for entry_id in ENTRIES {
            let user = format!("@user:{victim}");
            let request = RelayTxnRequest { entry_id };
            let answer = federation
                .call_endpoint::<RelayTxn>(&server_name(relay), &[&user], &request, DEADLINE)
                .await;
            let status = match answer {
                Ok(_) | Err(CallError::Malformed(_)) => Some(200),
                Err(CallError::Refused(error)) => Some(error.status.as_u16()),
                Err(CallError::NoAnswer(_) | CallError::Unsendable(_)) => None,
            };
            cluster.note(&Note::Trespassed {
                relay: relay.to_owned(),
                victim: victim.to_owned(),
                entry_id,
                status,
            });
        }
    }
}

async fn make(host: Host) -> Result<Federation, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let database = host.open("stranger").await.map_err(|error| text(&error))?;
    let identity = Identity::open(&host, &database, server_name(STRANGER)).await;
    let identity = identity.map_err(|error| text(&error))?;
    let http = Client::new(&host, ClientLimits::default());
    let keys = KeyRing::open(&host, &database, http.clone(), identity.clone()).await;
    let keys = keys.map_err(|error| text(&error))?;
    let routes = KeyRing::routes().with_state(keys);
    let served = serve(&host, FEDERATION_PORT, routes, ServerLimits::default()).await;
    served.map_err(|error| text(&error))?;
    Ok(Federation::new(identity, http))
}

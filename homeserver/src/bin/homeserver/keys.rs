//! The signing key, before the server starts for the first time: a new server's operator may want to
//! keep a copy of it somewhere else, or publish it.

use transport::{
    federation::Identity,
    real::{RealConfig, host, lock},
};

use crate::{Trouble, say, settings::Settings};

/// The database of a server that has started before.
const DATABASE_FILE: &str = "homeserver.sqlite";

/// The key beside it.
const KEY_FILE: &str = "signing.key";

/// Makes the key, unless there is one, and prints its id and its public half.
pub(crate) fn generate(settings: &Settings) -> Result<(), Trouble> {
    let data = settings.data()?;
    let named = |error: std::io::Error| Trouble::Other(format!("{}: {error}", data.display()));
    let _lock = lock(data).map_err(named)?;
    if data.join(DATABASE_FILE).exists() && !data.join(KEY_FILE).exists() {
        let reason = "the key is in the database there; start the server to have it beside it too";
        return Err(Trouble::Other(format!("{}: {reason}", data.display())));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(named)?;
    let identity = runtime.block_on(async {
        let machine = host(data, &RealConfig::default())?;
        Identity::beside_the_database(&machine, settings.config.server_name.clone()).await
    });
    let identity = identity.map_err(named)?;
    say(&format!("{} {}", identity.key_id(), identity.public_key()))
}

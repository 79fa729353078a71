//! The signing key while the server does not run: a new server's operator may want to keep a copy of it
//! somewhere else, or publish it, and that of an old one may want another key.

use transport::{
    federation::Identity,
    real::{RealConfig, host, lock},
};

use crate::{Trouble, say, settings::Settings};

/// The database of a server that has started before.
const DATABASE_FILE: &str = "homeserver.sqlite";

/// The key beside it.
const KEY_FILE: &str = "signing.key";

/// Makes the key, unless there is one and it is not to be replaced, and prints its id and its public
/// half.
pub(crate) fn generate(settings: &Settings, rotate: bool) -> Result<(), Trouble> {
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
        let name = settings.config.server_name.clone();
        if rotate {
            return Identity::rotate(&machine, name).await;
        }
        Identity::beside_the_database(&machine, name).await
    });
    let identity = identity.map_err(named)?;
    say(&format!("{} {}", identity.key_id(), identity.public_key()))
}

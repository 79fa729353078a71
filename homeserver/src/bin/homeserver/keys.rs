//! The signing key while the server does not run: a new server's operator may want to keep a copy of it
//! somewhere else, or publish it, and that of an old one may want another key.

use clap::Args;
use transport::{
    federation::Identity,
    real::{RealConfig, host, lock},
};

use crate::{Trouble, say, settings::Settings};

/// The database of a server that has started before.
const DATABASE_FILE: &str = "homeserver.sqlite";

/// The key beside it.
const KEY_FILE: &str = "signing.key";

/// What becomes of the key that there is.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Rotation {
    /// Replace the key there is; what it has signed still counts, once the server runs again
    #[arg(long)]
    rotate: bool,
    /// Forget the oldest of the keys before, if there are as many as other servers read: newcomers to a
    /// room cannot verify what it has signed then
    #[arg(long, requires = "rotate")]
    forget_oldest: bool,
}

/// Makes the key, unless there is one and it is not to be replaced, and prints its id and its public
/// half.
pub(crate) fn generate(settings: &Settings, rotation: Rotation) -> Result<(), Trouble> {
    let Rotation { rotate, forget_oldest } = rotation;
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
            return Identity::rotate(&machine, name, forget_oldest).await;
        }
        Identity::beside_the_database(&machine, name).await
    });
    let identity = identity.map_err(named)?;
    say(&format!("{} {}", identity.key_id(), identity.public_key()))
}

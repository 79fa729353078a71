//! What the targets share: a key, a machine in memory, and on such machines a homeserver and a peer of
//! it that says whatever an input has it say.

mod machine;
mod peer;
mod world;

use std::sync::LazyLock;

use transport::federation::Identity;

pub use self::world::World;

/// The server whose events are made up.
pub const ORIGIN: &str = "peer.test";

/// Its key.
pub static KEY: LazyLock<Identity> = LazyLock::new(|| {
    let name = ORIGIN.try_into().expect("a server name");
    Identity::from_seed(name, &[7; 32], "fuzz".to_owned())
});

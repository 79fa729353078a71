//! The disks of nodes that were installed and never ran: every first boot makes the same tables,
//! and making them takes longer than everything else that a boot does.

use std::sync::LazyLock;

use sim::disk::DiskImage;

static HOMESERVER: LazyLock<DiskImage> = LazyLock::new(|| {
    let image = DiskImage::made_by(|disk| async move { homeserver::install(&*disk).await });
    image.expect("an empty disk takes the tables of a homeserver")
});

static RELAY: LazyLock<DiskImage> = LazyLock::new(|| {
    let image = DiskImage::made_by(|disk| async move { relay::install(&*disk).await });
    image.expect("an empty disk takes the tables of a relay")
});

/// Returns the disk of a homeserver before its first boot, for [`sim::Node::installation`].
pub fn homeserver() -> DiskImage {
    HOMESERVER.clone()
}

/// Returns the disk of a relay before its first boot.
pub fn relay() -> DiskImage {
    RELAY.clone()
}

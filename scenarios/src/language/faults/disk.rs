//! Faults of disks in the language.

use super::{Listed, NODE, flag, node};
use crate::{
    duration,
    language::{
        meaning::Meaning,
        reader::Reader,
        reference::{
            Key,
            Value::{Duration, Flag, Number, Table, Whole},
            may,
        },
        table,
        write::{Inline, number, quoted},
    },
    scenario::DiskFault,
};

/// The keys of which one at least says what is wrong.
const WAYS: &[&str] = &[
    "read-fails",
    "write-fails",
    "sync-fails",
    "failing",
    "full",
    "capacity",
    "lies",
    "write",
    "sync",
    "dies-after",
    "rots",
];

/// Its keys.
const BODY: &[Key] = &[
    NODE,
    may("read-fails", Number(0.0, 1.0), "0.0", "the probability that a read fails with EIO", "0.1"),
    may(
        "write-fails",
        Number(0.0, 1.0),
        "0.0",
        "the probability that a write fails with EIO",
        "0.1",
    ),
    may("sync-fails", Number(0.0, 1.0), "0.0", "the probability that a sync fails with EIO", "0.1"),
    may("failing", Flag, "false", "short for `write-fails` and `sync-fails` at 1.0", "true"),
    may("full", Flag, "false", "whether what grows a file fails with ENOSPC", "true"),
    may(
        "capacity",
        Whole(0, u64::MAX),
        "no limit",
        "how many bytes fit; what grows a file beyond fails with ENOSPC",
        "100000",
    ),
    may(
        "lies",
        Number(0.0, 1.0),
        "0.0",
        "the probability that a sync says that all is well and syncs nothing",
        "0.5",
    ),
    may("write", Duration, "0s", "how long each write takes", "\"1ms\""),
    may("sync", Duration, "0s", "how long each sync takes", "\"50ms\""),
    may(
        "dies-after",
        Whole(1, u64::MAX),
        "never",
        "after how many further operations the machine loses power",
        "17",
    ),
    may("rots", Whole(1, u64::MAX), "0", "how many bits of synced sectors flip", "100"),
];

/// How it is written.
pub(super) const LISTED: &[Listed] = &[
    Listed {
        key: "disk",
        body: Table(BODY),
        example: "{ node = \"a\", write-fails = 1.0, sync-fails = 1.0 }",
        means: "reads, writes or syncs fail with EIO by probability: read-fails, write-fails, \
                sync-fails (failing = true is short for the last two at 1.0)",
    },
    Listed {
        key: "disk",
        body: Table(BODY),
        example: "{ node = \"a\", full = true }",
        means: "what grows a file fails with ENOSPC: at once (full), or beyond capacity = bytes",
    },
    Listed {
        key: "disk",
        body: Table(BODY),
        example: "{ node = \"a\", write = \"1ms\", sync = \"50ms\" }",
        means: "each write and each sync takes so long",
    },
    Listed {
        key: "disk",
        body: Table(BODY),
        example: "{ node = \"a\", lies = 0.5 }",
        means: "syncs answer that all is well and sync nothing, by probability: a power loss tells",
    },
    Listed {
        key: "disk",
        body: Table(BODY),
        example: "{ node = \"a\", dies-after = 17 }",
        means: "power loss right after so many further writes, syncs, cuts and deletions of files; \
                boots when it ends",
    },
    Listed {
        key: "disk",
        body: Table(BODY),
        example: "{ node = \"a\", rots = 100 }",
        means: "so many bits of synced sectors flip, for good, and are seen by the next read: \
                SQLite notices some of it (a log has checksums, a page has none)",
    },
];

pub(super) fn read(
    key: &str,
    table: &mut table::Table<'_>,
    reader: &mut Reader,
) -> Option<DiskFault> {
    if key != "disk" {
        return None;
    }
    let node = node(table, reader);
    // Short for both.
    let failing = flag(table, "failing", reader).then_some(1.0);
    let mut chance = |key| table.take(key, reader).and_then(|item| reader.number(&item));
    let read_fails = chance("read-fails");
    let (write_fails, sync_fails) = (chance("write-fails"), chance("sync-fails"));
    let lies = chance("lies");
    let mut time = |key| table.take(key, reader).and_then(|item| reader.duration(&item));
    let (write_time, sync_time) = (time("write"), time("sync"));
    Some(DiskFault {
        node,
        read_fails,
        write_fails: write_fails.or(failing),
        sync_fails: sync_fails.or(failing),
        full: flag(table, "full", reader),
        capacity: table.take("capacity", reader).and_then(|item| reader.whole(&item)),
        lies,
        write_time,
        sync_time,
        dies_after: table.take("dies-after", reader).and_then(|item| reader.whole(&item)),
        rots: table.take("rots", reader).and_then(|item| reader.whole(&item)),
    })
}

pub(super) fn check(fault: &DiskFault, at: &str, meaning: &mut Meaning<'_>) {
    meaning.machine(&format!("{at}.node"), &fault.node);
    let any = *fault != DiskFault::of(&fault.node);
    meaning.changes(at, any, WAYS);
    for (key, chance) in [
        ("read-fails", fault.read_fails),
        ("write-fails", fault.write_fails),
        ("sync-fails", fault.sync_fails),
        ("lies", fault.lies),
    ] {
        if let Some(chance) = chance {
            let help = "1.0 is always, and 0.1 is one time in ten";
            meaning.probability(&format!("{at}.{key}"), chance, help);
        }
    }
    if fault.dies_after == Some(0) {
        meaning.zero(&format!("{at}.dies-after"), "write 1 to die right after the next operation");
    }
    if fault.rots == Some(0) {
        meaning.zero(&format!("{at}.rots"), "write how many bits flip, such as 100");
    }
}

pub(super) fn write(fault: &DiskFault) -> Inline {
    let time = |time: Option<_>| time.map(|time| quoted(&duration::text(time)));
    Inline::default()
        .text_at("node", &fault.node)
        .put_some("read-fails", fault.read_fails.map(number))
        .put_some("write-fails", fault.write_fails.map(number))
        .put_some("sync-fails", fault.sync_fails.map(number))
        .put_if(fault.full, "full", true)
        .put_some("capacity", fault.capacity)
        .put_some("lies", fault.lies.map(number))
        .put_some("write", time(fault.write_time))
        .put_some("sync", time(fault.sync_time))
        .put_some("dies-after", fault.dies_after)
        .put_some("rots", fault.rots)
}

//! Faults of disks in the language.

use super::{flag, node};
use crate::{
    language::{
        duration,
        meaning::Meaning,
        reader::Reader,
        table::Table,
        write::{Inline, quoted},
    },
    scenario::DiskFault,
};

pub(super) fn read(key: &str, table: &mut Table<'_>, reader: &mut Reader) -> Option<DiskFault> {
    (key == "disk").then(|| DiskFault {
        node: node(table, reader),
        full: flag(table, "full", reader),
        failing: flag(table, "failing", reader),
        sync_time: table.take("sync", reader).and_then(|item| reader.duration(&item)),
    })
}

pub(super) fn check(fault: &DiskFault, at: &str, meaning: &mut Meaning<'_>) {
    meaning.machine(&format!("{at}.node"), &fault.node);
    let any = fault.full || fault.failing || fault.sync_time.is_some();
    meaning.changes(at, any, &["full", "failing", "sync"]);
}

pub(super) fn write(fault: &DiskFault) -> Inline {
    Inline::default()
        .text_at("node", &fault.node)
        .put_if(fault.full, "full", true)
        .put_if(fault.failing, "failing", true)
        .put_some("sync", fault.sync_time.map(|time| quoted(&duration::text(time))))
}

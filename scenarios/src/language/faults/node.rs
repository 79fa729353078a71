//! Faults of machines in the language.

use super::node;
use crate::{
    language::{
        meaning::Meaning,
        reader::Reader,
        table::Table,
        write::{Inline, quoted},
    },
    scenario::NodeFault,
};

pub(super) fn read(key: &str, table: &mut Table<'_>, reader: &mut Reader) -> Option<NodeFault> {
    Some(match key {
        "crash" => NodeFault::Crash {
            node: node(table, reader),
            keep_disk: table
                .take("disk", reader)
                .and_then(|item| reader.choice(&item, &[("lose-unsynced", false), ("keep", true)]))
                .unwrap_or(false),
        },
        "kill" => NodeFault::Kill { node: node(table, reader) },
        "pause" => NodeFault::Pause { node: node(table, reader) },
        _ => return None,
    })
}

pub(super) fn check(fault: &NodeFault, at: &str, meaning: &mut Meaning<'_>) {
    meaning.machine(&format!("{at}.node"), fault.node());
}

pub(super) fn write(fault: &NodeFault) -> Inline {
    let body = Inline::default().text_at("node", fault.node());
    match fault {
        NodeFault::Crash { keep_disk, .. } => body.put_if(*keep_disk, "disk", quoted("keep")),
        NodeFault::Kill { .. } | NodeFault::Pause { .. } => body,
    }
}

//! Begins faults of machines.

use scenarios::scenario::{AfterCrash, NodeFault};
use sim::{
    World,
    fault::{ClockFault, DiskFate, FaultId, Shift, Storm},
};

pub(super) fn set(world: &World, fault: &NodeFault, cause: Option<u64>) -> FaultId {
    match fault {
        NodeFault::Crash { node, disk } => world.crash(node, fate(*disk), cause),
        NodeFault::Kill { node } => world.kill(node, cause),
        // The stage has the keys.
        NodeFault::RotateKey { node } => world.kill_for(node, "rotate-key", cause),
        NodeFault::Pause { node } => world.pause(node, cause),
        NodeFault::Storm { node, times, up, down, kill } => {
            let storm = Storm { times: *times, up: *up, down: *down, is_kill: *kill };
            world.storm(node, storm, cause)
        }
        // The schedule has the backups. Without one, a machine that is restored starts empty.
        NodeFault::Wipe { node } | NodeFault::Restore { node, .. } => {
            world.crash(node, DiskFate::Wiped, cause)
        }
        NodeFault::ClockSkew { node, by, behind } => {
            world.break_clock(node, ClockFault::Skew(shift(*by, *behind)), cause)
        }
        NodeFault::ClockJump { node, by, back } => {
            world.break_clock(node, ClockFault::Jump(shift(*by, *back)), cause)
        }
        NodeFault::ClockDrift { node, rate } => {
            world.break_clock(node, ClockFault::Drift(*rate), cause)
        }
    }
}

fn fate(disk: AfterCrash) -> DiskFate {
    match disk {
        AfterCrash::LoseUnsynced => DiskFate::LoseUnsynced,
        AfterCrash::Keep => DiskFate::Keep,
        AfterCrash::Torn => DiskFate::Torn,
        AfterCrash::LoseAll => DiskFate::LoseAll,
    }
}

fn shift(by: std::time::Duration, is_past: bool) -> Shift {
    if is_past { Shift::Behind(by) } else { Shift::Ahead(by) }
}

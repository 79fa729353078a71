//! The table: every row with its goal. The goals by a yardstick are about three tenths below what
//! was measured on a busy machine, and that of `m1-a-second` is a fifth below.

use super::{
    commit, federation, idle, load, request,
    row::{
        Goal::{AtLeast, AtMost},
        Row,
        Unit::{Percent, RunsAYardstick, SecondsAYardstick, Times},
    },
    share, threads, turmoil,
};

/// Every row, in the order in which they are measured.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "idle-machines",
        what: "1,000 plain machines, idle: seconds a yardstick",
        unit: SecondsAYardstick,
        goal: AtLeast(140_000.0),
        measure: idle::machines,
    },
    Row {
        name: "idle-homeservers",
        what: "1,000 homeservers, idle: seconds a yardstick",
        unit: SecondsAYardstick,
        goal: AtLeast(200.0),
        measure: idle::homeservers,
    },
    Row {
        name: "m1-a-second",
        what: "CPU of turmoil by ours, 3 backends, an M1 a second",
        unit: Times,
        goal: AtLeast(5.0),
        measure: federation::one_m1_a_second,
    },
    Row {
        name: "hundred-senders",
        what: "100 backends sending 1/s: seconds a yardstick",
        unit: SecondsAYardstick,
        goal: AtLeast(3.0),
        measure: federation::hundred_senders,
    },
    Row {
        name: "turmoil-3",
        what: "CPU of stock turmoil by ours, 3 machines",
        unit: Times,
        goal: AtLeast(50.0),
        measure: turmoil::three,
    },
    Row {
        name: "turmoil-30",
        what: "CPU of stock turmoil by ours, 30 machines",
        unit: Times,
        goal: AtLeast(250.0),
        measure: turmoil::thirty,
    },
    Row {
        name: "turmoil-100",
        what: "CPU of stock turmoil by ours, 100 machines",
        unit: Times,
        goal: AtLeast(1000.0),
        measure: turmoil::hundred,
    },
    Row {
        name: "request",
        what: "CPU of a request by that over loopback TCP",
        unit: Times,
        goal: AtMost(0.6),
        measure: request::simulated_against_loopback,
    },
    Row {
        name: "runs",
        what: "3 backends, 10 M1 messages: runs a yardstick",
        unit: RunsAYardstick,
        goal: AtLeast(15.0),
        measure: federation::runs_a_yardstick,
    },
    Row {
        name: "threads",
        what: "two threads against one",
        unit: Times,
        goal: AtLeast(1.8),
        measure: threads::two_against_one,
    },
    Row {
        name: "journal-checks",
        what: "journal and checks, share of a run",
        unit: Percent,
        goal: AtMost(8.0),
        measure: share::journal_and_checks,
    },
    Row {
        name: "commit",
        what: "a commit by that on a real file, WAL and FULL",
        unit: Times,
        goal: AtMost(0.02),
        measure: commit::simulated_against_real,
    },
    Row {
        name: "idle-pollers",
        what: "sends/s, 25 idle in 500 other rooms, by none",
        unit: Times,
        goal: AtLeast(0.9),
        measure: load::idle_pollers,
    },
    Row {
        name: "many-senders",
        what: "sends/s of 32 clients in a room by those of one",
        unit: Times,
        goal: AtLeast(1.0),
        measure: load::many_senders,
    },
    Row {
        name: "many-in-sync",
        what: "the same, with each in sync",
        unit: Times,
        goal: AtLeast(1.0),
        measure: load::many_in_sync,
    },
    Row {
        name: "crowd",
        what: "a message to 1,000 members by one to none",
        unit: Times,
        goal: AtMost(1.5),
        measure: load::crowd,
    },
    Row {
        name: "forks",
        what: "longest wait in 200 forks of 1,000 by a usual one",
        unit: Times,
        goal: AtMost(30.0),
        measure: load::forks,
    },
];

//! What processes in real time cannot have of a scenario, judged from the scenario and the kinds of
//! its servers; and what they have in another way.

use std::time::Duration;

use scenarios::{
    Scenario, duration,
    scenario::{AfterCrash, Delivery, FaultKind, NodeFault, Reads, When},
};

use crate::{Feature, Servers, kinds::ServerKind, process::is_isolation_possible};

/// The most servers: each is a process, or several, on this machine.
pub const MOST_MACHINES: usize = 24;

/// The longest that a scenario may work: its time is real.
pub const LONGEST: Duration = Duration::from_mins(5);

/// What a run takes besides: to start, to make conversations, and to settle.
const BESIDES: Duration = Duration::from_secs(10);

/// Returns why a scenario cannot be played on these servers, a sentence for each reason; none if it
/// can.
pub fn obstacles(scenario: &Scenario, servers: &Servers) -> Vec<String> {
    let mut reasons: Vec<String> =
        scenario.faults.iter().filter_map(|fault| impossible(&fault.kind)).collect();
    if scenario.faults.iter().any(|fault| matches!(fault.when, When::Disk { .. })) {
        reasons.push("nobody sees what a process does to its disk".to_owned());
    }
    if !scenario.schedule.is_fixed() {
        reasons.push(format!("processes have no schedule `{}`", scenario.schedule));
    }
    let count = scenario.backends.len() + scenario.relays.len();
    if count > MOST_MACHINES {
        reasons.push(format!("{count} servers are more than {MOST_MACHINES}"));
    }
    let works = working(scenario);
    if works > LONGEST {
        let (works, most) = (duration::rounded(works), duration::text(LONGEST));
        reasons.push(format!("it would take {works} of real time, more than {most}"));
    }
    let kinds = servers.of(scenario);
    reasons.extend(kinds.iter().flat_map(|(name, kind)| lacking(scenario, name, kind)));
    reasons.extend(is_isolation_possible().err());
    reasons.dedup();
    reasons
}

fn impossible(fault: &FaultKind) -> Option<String> {
    let why = match fault {
        FaultKind::Disk(_) => "the disk of a process is this machine's",
        FaultKind::Peer(_) => "nobody has the key of a process to make it dishonest",
        FaultKind::Node(
            NodeFault::ClockSkew { .. }
            | NodeFault::ClockJump { .. }
            | NodeFault::ClockDrift { .. },
        ) => "the clock of a process is this machine's",
        FaultKind::Node(NodeFault::RotateKey { .. }) => {
            "each kind of server has a way of its own to take a new key"
        }
        FaultKind::Node(NodeFault::Crash {
            disk: AfterCrash::Torn | AfterCrash::LoseAll, ..
        }) => "a process that is killed loses nothing that it has written",
        FaultKind::Node(_) | FaultKind::Network(_) => return None,
    };
    Some(format!("no process can have the fault `{}`: {why}", fault.key()))
}

/// Returns what a scenario needs of a server that its kind does not have.
fn lacking(scenario: &Scenario, name: &str, kind: &ServerKind) -> Vec<String> {
    let of_server = |user: &String| scenario.users[user].backend == name;
    let needs_m1 = scenario.conversations.values().any(|it| {
        it.delivery != Delivery::Eventual
            && std::iter::once(&it.creator).chain(&it.members).any(of_server)
    });
    let mut users = scenario.users.values().filter(|user| user.backend == name);
    let needs_notifications = users.any(|user| user.reads != Reads::Sync);
    // Who has none itself leaves mail at those of others.
    let needs_relays = scenario.backends.contains_key(name) && !scenario.relays.is_empty();
    let needs = [
        (needs_m1, Feature::M1, "conversations that are all or nothing"),
        (needs_notifications, Feature::Notifications, "`/notifications` or `/await`"),
        (needs_relays, Feature::Relays, "relays"),
    ];
    let lacking = needs.into_iter().filter(|(needed, feature, _)| *needed && !kind.has(*feature));
    let lacking = lacking.map(|(_, _, what)| format!("{name} is of a kind that has no {what}"));
    lacking.chain(unset(scenario, name, kind)).collect()
}

/// Returns the settings of a server that its kind has no place for, in a sentence.
fn unset(scenario: &Scenario, name: &str, kind: &ServerKind) -> Option<String> {
    let backend = scenario.backends.get(name).map(|backend| &backend.settings);
    let chosen = backend.or_else(|| scenario.relays.get(name).map(|relay| &relay.settings))?;
    // How soon a server turns to relays means nothing where there are none.
    let is_meant = |key: &&str| *key != "attempts_before_relay" || !scenario.relays.is_empty();
    let keys: Vec<&str> = chosen.iter().map(|(key, _)| *key).filter(is_meant).collect();
    (!keys.is_empty() && !kind.takes_settings()).then(|| {
        format!(
            "{name} is of a kind that cannot be told {}: its files have no `${{settings}}`",
            keys.join(", ")
        )
    })
}

/// Returns what is done in another way than a scenario says, a sentence for each.
pub fn caveats(scenario: &Scenario) -> Vec<String> {
    let loses = |fault: &FaultKind| match fault {
        FaultKind::Node(NodeFault::Crash { disk, .. }) => *disk == AfterCrash::LoseUnsynced,
        FaultKind::Node(NodeFault::Storm { kill, .. }) => !kill,
        _ => false,
    };
    let is_lost = scenario.faults.iter().any(|fault| loses(&fault.kind));
    let caveat = "a crash is SIGKILL and silence: what was written and not synced stays";
    is_lost.then(|| caveat.to_owned()).into_iter().collect()
}

/// Returns about how long a run of a scenario takes.
pub fn duration(scenario: &Scenario) -> Duration {
    working(scenario) + BESIDES
}

/// Returns how long clients work and faults last, as far as the scenario tells.
fn working(scenario: &Scenario) -> Duration {
    let operations =
        scenario.ops.iter().map(scenarios::scenario::Op::last).max().unwrap_or_default();
    let faults = scenario.faults.iter().map(|fault| {
        let begins = match fault.when {
            When::At(at) => at,
            When::Exchange { .. } | When::Disk { .. } => operations,
        };
        begins + fault.lasts().unwrap_or_default()
    });
    faults.chain([operations]).max().unwrap_or_default().min(scenario.limit)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use scenarios::{Scenario, language};

    use super::{Servers, caveats, obstacles};

    fn scenario(name: &str) -> Scenario {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/library");
        let text = std::fs::read_to_string(path.join(format!("{name}.toml"))).unwrap();
        language::parse(name, &text).expect("it has no mistake")
    }

    fn told(name: &str, servers: &str) -> String {
        obstacles(&scenario(name), &Servers::parse(servers).unwrap()).join("; ")
    }

    #[test]
    fn what_a_process_cannot_have_is_told_with_the_reason() {
        let told = |name| told(name, "");
        assert!(told("byzantine-wrong-origin").contains("nobody has the key"));
        assert!(told("m1-owner-clock-a-day-ahead").contains("clock"));
        assert!(told("m1-slow-disks").contains("disk"));
        assert!(told("eventual-away-for-a-week").contains("real time"));
        assert!(told("hundred-backends").contains("100 servers are more than 24"));
        assert_eq!(told("m1-cut-between-prepare-and-commit"), "");
    }

    #[test]
    fn a_scenario_that_needs_what_synapse_has_not_is_not_played_on_it() {
        let told = |name| told(name, "default = 'synapse'");
        assert!(told("m1-all-up").contains("a is of a kind that has no conversations"));
        assert_eq!(told("eventual-cut-one-way"), "");
    }

    #[test]
    fn what_a_kind_cannot_be_told_of_a_server_is_named() {
        let text = "name = \"x\"\n[backends.a]\nbackoff_max = \"5s\"\n[backends.b]";
        let scenario = language::parse("x.toml", text).unwrap();
        let told =
            |servers: &str| obstacles(&scenario, &Servers::parse(servers).unwrap()).join("; ");
        assert!(
            told("default = 'synapse'").contains("a is of a kind that cannot be told backoff_max")
        );
        assert!(!told("").contains("cannot be told"));
    }

    #[test]
    fn a_crash_that_loses_nothing_is_told_before_the_run() {
        assert_eq!(caveats(&scenario("m1-owner-crashes-after-deciding")).len(), 1);
        assert!(caveats(&scenario("m1-all-up")).is_empty());
    }
}

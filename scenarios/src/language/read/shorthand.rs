//! What is written once and stands for many faults: restarts of one machine after another, and
//! machines that are reachable only now and then.

use std::{ops::Range, time::Duration};

use crate::{
    language::{
        mistake::{Code, Mistake},
        reader::Reader,
        table::{Item, Table},
    },
    scenario::{Fault, FaultKind, NetworkFault, NodeFault, Scenario, When},
};

/// The key of restarts of one machine after another.
pub(super) const ROLLING_RESTART: &str = "rolling-restart";

/// The most faults that one entry stands for.
const MOST: usize = 1_000;

/// Returns the faults that a rolling restart stands for. `first` is the fault as far as it has been
/// read: when the first machine restarts, and what that one is called.
pub(super) fn rolling_restart(item: &Item<'_>, first: &Fault, reader: &mut Reader) -> Vec<Fault> {
    let Some(mut table) = reader.table(item) else { return Vec::new() };
    let of = table.need("of", reader);
    let machines = of.as_ref().map(|of| reader.texts(of)).unwrap_or_default();
    if let Some(of) = of.filter(|of| machines.is_empty() && !reader.places.is_broken(&of.at)) {
        let mistake = Mistake::new(Code::EmptySide, "this rolling restart names no machine")
            .label("nobody would be restarted")
            .help("name the machines, in the order in which they restart");
        reader.broken(&of, mistake);
    }
    let [down, every] = ["down", "every"].map(|key| time(&mut table, key, reader));
    table.done(reader);
    if first.lasts.is_some() {
        let mistake = Mistake::new(Code::BadValue, "a rolling restart takes no `for`")
            .label("each machine is down for as long as `down` says")
            .help("remove `for`");
        reader.mistakes.push(mistake.spanning(&item.at, item.span.clone()));
    }
    if machines.len() > MOST {
        let message = format!("a rolling restart has at most {MOST} machines");
        let mistake = Mistake::new(Code::BadValue, message).label("too many machines");
        reader.broken(item, mistake);
        return Vec::new();
    }
    let (Some(down), Some(every)) = (down, every) else { return Vec::new() };
    let is_trigger = !matches!(first.when, When::At(_));
    let id = first.id.clone().or_else(|| is_trigger.then(|| format!("first-of-{}", number(item))));
    let restarts = machines.into_iter().zip(0_u32..).map(|(node, n)| {
        let kind = NodeFault::Kill { node }.into();
        let later = every.saturating_mul(n);
        match &first.when {
            _ if n == 0 => {
                let (after, when) = (first.after.clone(), first.when.clone());
                Fault { id: id.clone(), after, ..Fault::new(when, Some(down), kind) }
            }
            When::At(at) => {
                let when = When::At(at.saturating_add(later));
                Fault { after: first.after.clone(), ..Fault::new(when, Some(down), kind) }
            }
            When::Exchange { .. } | When::Disk { .. } => {
                let after = id.clone();
                Fault { after, ..Fault::new(When::At(later), Some(down), kind) }
            }
        }
    });
    restarts.collect()
}

/// Returns the number of a fault in its list, by its place such as `faults[2].rolling-restart`.
fn number(item: &Item<'_>) -> String {
    item.at.chars().filter(char::is_ascii_digit).collect()
}

/// Reads a duration above zero that must be there.
fn time(table: &mut Table<'_>, key: &'static str, reader: &mut Reader) -> Option<Duration> {
    let item = table.need(key, reader)?;
    let time = reader.duration(&item)?;
    if time.is_zero() {
        let mistake = Mistake::new(Code::BadValue, format!("`{}` cannot be 0", item.at))
            .label("expected a duration above 0")
            .help("write, for example, \"2s\"");
        reader.broken(&item, mistake);
        return None;
    }
    Some(time)
}

/// A user or a backend that is reachable only now and then.
#[derive(Debug)]
pub(in crate::language) struct Online {
    /// The key path of the user or backend.
    at: String,
    span: Range<usize>,
    /// For how long, at the beginning of each period.
    lasts: Duration,
    /// The period.
    every: Duration,
}

/// Reads `online = { for = "5s", every = "1m" }` of the user or backend whose table that is.
pub(super) fn online(table: &mut Table<'_>, reader: &mut Reader) {
    let at = table.at.clone();
    let Some(item) = table.take("online", reader) else { return };
    let Some(mut body) = reader.table(&item) else { return };
    let [lasts, every] = ["for", "every"].map(|key| time(&mut body, key, reader));
    body.done(reader);
    let (Some(lasts), Some(every)) = (lasts, every) else { return };
    if lasts >= every {
        let mistake = Mistake::new(Code::BadValue, format!("`{}` is online all the time", item.at))
            .label("`for` is not shorter than `every`")
            .help("write a longer `every`, or leave `online` out");
        reader.broken(&item, mistake);
        return;
    }
    reader.online.push(Online { at, span: item.span, lasts, every });
}

/// Cuts off who is not reachable: the devices of a user from their backend, and a backend from all
/// other servers.
pub(super) fn absences(scenario: &mut Scenario, reader: &mut Reader) {
    for Online { at, span, lasts, every } in std::mem::take(&mut reader.online) {
        let Some((between, and)) = sides(scenario, &at) else { continue };
        let mut begins = lasts;
        let mut cuts = Vec::new();
        while begins < scenario.limit && cuts.len() <= MOST {
            let (between, and) = (between.clone(), and.clone());
            let cut: FaultKind = NetworkFault::Partition { between, and, one_way: false }.into();
            cuts.push(Fault::new(When::At(begins), Some(every - lasts), cut));
            begins += every;
        }
        if cuts.len() > MOST {
            let message = format!("`{at}.online` stands for more than {MOST} absences");
            let mistake = Mistake::new(Code::BadValue, message)
                .label("too often within the limit of this scenario")
                .help("write a longer `every`, or a shorter `limit`");
            reader.mistakes.push(mistake.spanning(&at, span.clone()));
            continue;
        }
        for cut in cuts {
            reader.places.put(&format!("faults[{}]", scenario.faults.len()), span.clone());
            scenario.faults.push(cut);
        }
    }
}

/// Returns who is cut off from whom; none if there is nobody on one of the sides.
fn sides(scenario: &Scenario, at: &str) -> Option<(Vec<String>, Vec<String>)> {
    let (section, name) = at.split_once('.')?;
    // A backend that is not there is a mistake of its own.
    let sides: (Vec<String>, Vec<String>) = if section == "users" {
        let user = scenario.users.get(name)?;
        let devices = (1..=user.devices.min(crate::scenario::MOST_DEVICES))
            .map(|device| format!("{name}/{device}"));
        (devices.collect(), vec![user.backend.clone()])
    } else {
        let servers = scenario.backends.keys().chain(scenario.relays.keys());
        (vec![name.to_owned()], servers.filter(|server| *server != name).cloned().collect())
    };
    let is_there = sides.1.first().is_some_and(|server| scenario.has_machine(server));
    is_there.then_some(sides)
}

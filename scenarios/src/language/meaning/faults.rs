//! The meaning of the faults.

use std::collections::BTreeMap;

use super::{Meaning, known};
use crate::{
    language::{
        faults,
        mistake::{Code, Mistake},
        names::closest,
    },
    scenario::{Fault, FaultKind, NodeFault, Shape, When},
};

impl Meaning<'_> {
    pub(super) fn faults(&mut self) {
        self.fault_ids();
        for (n, fault) in self.scenario.faults.iter().enumerate() {
            let at = format!("faults[{n}]");
            self.order(&at, fault);
            self.when(&at, &fault.when);
            self.lasts(&at, fault);
            faults::check(&fault.kind, &format!("{at}.{}", fault.kind.key()), self);
        }
    }

    /// Checks what faults are called.
    fn fault_ids(&mut self) {
        let mut ids: BTreeMap<&str, String> = BTreeMap::new();
        for (n, fault) in self.scenario.faults.iter().enumerate() {
            let (Some(id), at) = (&fault.id, format!("faults[{n}].id")) else { continue };
            self.name(&at, id);
            if let Some(first) = ids.get(id.as_str()) {
                let message = format!("two faults are called `{id}`");
                let mut mistake = Mistake::new(Code::DuplicateName, message)
                    .label("used again")
                    .help("give each fault an id of its own");
                self.context(&mut mistake, first, "used first here".to_owned());
                self.report(&at, mistake);
            }
            ids.entry(id).or_insert(at);
        }
    }

    /// Checks that the fault after which this one begins can begin before it.
    fn order(&mut self, at: &str, fault: &Fault) {
        let (Some(after), at) = (&fault.after, format!("{at}.after")) else { return };
        let faults = &self.scenario.faults;
        let named = |id: &str| faults.iter().find(|it| it.id.as_deref() == Some(id));
        if named(after).is_none() {
            let ids: Vec<&str> = faults.iter().filter_map(|it| it.id.as_deref()).collect();
            let help = match closest(after, ids.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if ids.is_empty() => {
                    format!("give the fault that comes before an id: id = \"{after}\"")
                }
                None => known("fault", "faults with an id", &ids),
            };
            let message = format!("there is no fault `{after}`");
            let mistake =
                Mistake::new(Code::UnknownFault, message).label("not the id of a fault").help(help);
            return self.report(&at, mistake);
        }
        // There are no more steps than faults, unless they lead in a circle elsewhere.
        let steps = std::iter::successors(named(after), |it| named(it.after.as_deref()?));
        if steps.take(faults.len()).any(|before| std::ptr::eq(before, fault)) {
            let mistake = Mistake::new(Code::UnknownFault, "this fault waits for itself")
                .label("this one begins after it, too")
                .help("let one of them begin by itself: remove its `after`");
            self.report(&at, mistake);
        }
    }

    fn when(&mut self, at: &str, when: &When) {
        match when {
            When::At(begins) => self.in_time(&format!("{at}.at"), "fault", *begins),
            trigger => self.trigger(&format!("{at}.when"), trigger),
        }
    }

    /// Checks the trigger at `at`.
    pub(super) fn trigger(&mut self, at: &str, trigger: &When) {
        match trigger {
            When::At(_) => {}
            When::Exchange { endpoints, from, to, nth, moment } => {
                self.endpoints(&format!("{at}.{}", moment.word()), endpoints);
                for (key, machine) in [("from", from), ("to", to)] {
                    if let Some(machine) = machine {
                        self.machine(&format!("{at}.{key}"), machine);
                    }
                }
                self.nth(at, *nth, "request");
            }
            When::Disk { operation, node, nth } => {
                self.machine(&format!("{at}.{}", operation.word()), node);
                self.nth(at, *nth, "operation");
            }
        }
    }

    fn nth(&mut self, at: &str, nth: u64, what: &str) {
        if nth == 0 {
            let mistake = Mistake::new(Code::BadValue, format!("`{at}.nth` cannot be 0"))
                .label(format!("{what}s are counted from 1"))
                .help(format!("leave `nth` out for the first {what}"));
            self.report(&format!("{at}.nth"), mistake);
        }
    }

    fn endpoints(&mut self, at: &str, endpoints: &[String]) {
        if endpoints.is_empty() {
            let mistake = Mistake::new(Code::EmptySide, "this trigger names no endpoint")
                .label("the list is empty")
                .help("name at least one endpoint, such as \"send\"");
            self.report(at, mistake);
        }
        let names: Vec<_> = self.vocabulary.endpoints.iter().map(|(name, _, _)| *name).collect();
        for (n, endpoint) in endpoints.iter().enumerate() {
            if names.contains(&endpoint.as_str()) {
                continue;
            }
            let help = match closest(endpoint, names.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the endpoints are {}", super::listed(&names)),
            };
            let mistake =
                Mistake::new(Code::UnknownEndpoint, format!("there is no endpoint `{endpoint}`"))
                    .label("not an endpoint")
                    .help(help);
            self.report(&format!("{at}[{n}]"), mistake);
        }
    }

    fn lasts(&mut self, at: &str, fault: &Fault) {
        if fault.lasts.is_some_and(|lasts| lasts.is_zero()) {
            let mistake =
                Mistake::new(Code::BadValue, "this fault lasts no time, so it does nothing")
                    .label("expected a duration above 0")
                    .help("leave `for` out to let the fault last until everything is repaired");
            self.report(&format!("{at}.for"), mistake);
        }
        let stays = matches!(&fault.kind, FaultKind::Node(NodeFault::ClockJump { .. }));
        if stays && fault.lasts.is_some() {
            let mistake =
                Mistake::new(Code::BadValue, "`clock-jump` has no end, so it takes no `for`")
                    .label("the clock stays as it was set")
                    .help(
                        "remove `for`, or use `clock-skew` for a clock that is wrong for a while",
                    );
            self.report(&format!("{at}.for"), mistake);
        }
    }

    pub(in crate::language) fn split(&mut self, at: &str, groups: &[Vec<String>]) {
        let at = format!("{at}.groups");
        if groups.len() < 2 {
            let mistake = Mistake::new(Code::EmptySide, "`split` needs at least two groups")
                .label("expected two groups or more")
                .help("write, for example, groups = [[\"a\"], [\"b\", \"c\"]]");
            self.report(&at, mistake);
        }
        let sides: Vec<_> =
            groups.iter().enumerate().map(|(n, group)| (format!("{at}[{n}]"), group)).collect();
        self.sides(&sides);
    }

    /// Checks groups that are cut from each other: each has at least one machine, and no machine is
    /// in two.
    pub(in crate::language) fn sides(&mut self, sides: &[(String, &Vec<String>)]) {
        let mut seen: BTreeMap<&String, (usize, String)> = BTreeMap::new();
        for (n, (at, group)) in sides.iter().enumerate() {
            if group.is_empty() {
                let mistake =
                    Mistake::new(Code::EmptySide, "this side of the fault names no machine")
                        .label("the list is empty")
                        .help("name at least one backend, relay or device");
                self.report(at, mistake);
            }
            for (m, machine) in group.iter().enumerate() {
                let at_machine = format!("{at}[{m}]");
                self.machine(&at_machine, machine);
                let (side, first) = seen.entry(machine).or_insert_with(|| (n, at_machine.clone()));
                if *side != n {
                    let first = first.clone();
                    self.both_sides(&at_machine, machine, &first);
                }
            }
            self.twice(at, group, Code::DuplicateName);
        }
    }

    /// Notes that a machine is on both sides of a link.
    pub(in crate::language) fn both_sides(&mut self, at: &str, machine: &str, other: &str) {
        let mut mistake =
            Mistake::new(Code::BothSides, format!("`{machine}` is on both sides of this fault"))
                .label("and on this side")
                .help("remove it from one side: no link leads from a machine to itself");
        self.context(&mut mistake, other, "on this side".to_owned());
        self.report(at, mistake);
    }

    /// Notes that a machine with a proxy in front of it is among those whom the proxy answers.
    pub(in crate::language) fn own_client(&mut self, at: &str, machine: &str, proxied: &str) {
        let mut mistake =
            Mistake::new(Code::BothSides, format!("`{machine}` is behind this proxy itself"))
                .label("listed as one of its clients")
                .help("remove it from `to`: the proxy answers requests of other machines only");
        self.context(&mut mistake, proxied, "the proxy is in front of it".to_owned());
        self.report(at, mistake);
    }

    /// Checks a list of machines, each of which is named once.
    pub(in crate::language) fn listed_machines(&mut self, at: &str, machines: &[String]) {
        for (n, machine) in machines.iter().enumerate() {
            self.machine(&format!("{at}[{n}]"), machine);
        }
        self.twice(at, machines, Code::DuplicateName);
    }

    /// Notes a shape with too few machines, which cuts nothing.
    pub(in crate::language) fn at_least(&mut self, at: &str, shape: &Shape, least: usize) {
        let members = shape.members(&self.scenario.meant_by(shape)).len();
        if members < least {
            let kind = shape.kind();
            let other = if shape.one().is_some() { "other " } else { "" };
            let message = format!("`{kind}` has too few machines to cut anything");
            let mistake = Mistake::new(Code::EmptySide, message)
                .label(format!("expected {least} or more {other}machines"))
                .help("name more of them");
            self.report(at, mistake);
        }
    }

    /// Checks a probability.
    pub(in crate::language) fn probability(&mut self, at: &str, number: f64, help: &str) {
        // A NaN is not in any range.
        if !(0.0..=1.0).contains(&number) {
            let mistake = Mistake::new(Code::BadValue, format!("`{at}` cannot be {number}"))
                .label("expected a number from 0 to 1")
                .help(help);
            self.report(at, mistake);
        }
    }

    /// Notes a fault that could change several things and changes none.
    pub(in crate::language) fn changes(&mut self, at: &str, any: bool, keys: &[&str]) {
        let broken = keys.iter().any(|key| self.places.is_broken(&format!("{at}.{key}")));
        if !any && !broken {
            let mistake = Mistake::new(Code::NotOneKind, "this fault changes nothing")
                .label("none of its settings is given")
                .help(format!("give at least one of {}", super::listed(keys)));
            self.report(at, mistake);
        }
    }

    /// Checks a machine: a backend, a relay, or a device such as `alice/1`.
    pub(in crate::language) fn machine(&mut self, at: &str, written: &str) {
        let broken = ["backends", "relays", "users"].iter().any(|s| self.places.is_broken(s));
        if broken || self.is_full() || self.scenario.has_machine(written) {
            return;
        }
        let machines = self.scenario.machines();
        let names: Vec<_> = machines.iter().map(String::as_str).collect();
        let mut mistake =
            Mistake::new(Code::UnknownNode, format!("there is no machine `{written}`"))
                .label("not a backend, relay or device");
        if self.scenario.users.contains_key(written) {
            mistake = mistake.help(format!(
                "`{written}` is a user: name a device of theirs, such as `{written}/1`"
            ));
        } else if let Some(meant) = closest(written, names.iter().copied()) {
            let section =
                if self.scenario.backends.contains_key(meant) { "backends" } else { "relays" };
            let device = meant.split_once('/').map(|(user, _)| format!("users.{user}"));
            let place = device.unwrap_or_else(|| format!("{section}.{meant}"));
            self.context(&mut mistake, &place, format!("`{meant}` is defined here"));
            mistake = mistake.help(format!("did you mean `{meant}`?"));
        } else {
            mistake = mistake.help(known("machine", "machines", &names));
        }
        self.report(at, mistake);
    }
}

//! The meaning of the network, the machines, the users and the conversations.

use settings::{Choice, Choices, HOMESERVER, RELAY, Settings};

use super::{Meaning, Sort};
use crate::{
    duration,
    language::{
        mistake::{Code, Mistake},
        names::LONGEST_SCENARIO_NAME,
    },
    scenario::{Latency, MOST_DEVICES, MOST_PRIORITIES, Schedule, User},
};

impl Meaning<'_> {
    pub(super) fn world(&mut self) {
        self.name_within("name", &self.scenario.name, LONGEST_SCENARIO_NAME);
        if self.scenario.limit.is_zero() {
            self.zero("limit", "write, for example, limit = \"1m\"");
        }
        self.schedule();
        self.latency("network.latency", self.scenario.network.latency);
        self.loss("network.loss", self.scenario.network.loss);
        self.machines();
        self.users();
        self.conversations();
    }

    fn schedule(&mut self) {
        let Schedule::Priorities(depth) = self.scenario.schedule else { return };
        if !(1..=MOST_PRIORITIES).contains(&depth) {
            let mistake =
                Mistake::new(Code::BadValue, format!("there cannot be {depth} priorities"))
                    .label("out of range")
                    .help(format!("write a whole number from 1 to {MOST_PRIORITIES}"));
            self.report("schedule.priorities", mistake);
        }
    }

    pub(in crate::language) fn latency(&mut self, at: &str, latency: Latency) {
        let Latency::Uniform(low, high) = latency else { return };
        if low > high {
            let (low, high) = (duration::text(low), duration::text(high));
            let mistake = Mistake::new(Code::BadValue, "this range of latencies is reversed")
                .label("the longer one comes first")
                .help(format!("write {{ uniform = [\"{high}\", \"{low}\"] }}"));
            self.report(at, mistake);
        }
    }

    pub(in crate::language) fn loss(&mut self, at: &str, loss: f64) {
        self.probability(at, loss, "for example, 0.01 loses one segment in a hundred");
    }

    fn machines(&mut self) {
        let scenario = self.scenario;
        if scenario.backends.is_empty() && !self.places.is_broken("backends") {
            let mistake = Mistake::new(Code::MissingKey, "this scenario has no backend")
                .label("no backend")
                .help("add a section [backends] with, for example, a = {}");
            self.report("backends", mistake);
        }
        for (name, backend) in &scenario.backends {
            let at = format!("backends.{name}");
            self.name(&at, name);
            let at = format!("{at}.relays");
            for (n, relay) in backend.relays.iter().enumerate() {
                self.refers(&format!("{at}[{n}]"), relay, Sort::Relay);
            }
            self.twice(&at, &backend.relays, Code::DuplicateName);
            self.settings(&format!("backends.{name}"), &HOMESERVER, &backend.settings);
        }
        for (name, relay) in &scenario.relays {
            let at = format!("relays.{name}");
            self.name(&at, name);
            self.settings(&at, &RELAY, &relay.settings);
            if scenario.backends.contains_key(name) {
                let mut mistake =
                    Mistake::new(Code::DuplicateName, format!("two machines are called `{name}`"))
                        .label("also a relay")
                        .help(
                            "rename one of them: backends and relays are machines of one network",
                        );
                self.context(&mut mistake, &format!("backends.{name}"), "a backend".to_owned());
                self.report(&at, mistake);
            }
        }
    }

    /// Checks what is set of a server just as the server itself does.
    fn settings(&mut self, at: &str, known: &Settings, chosen: &Choices) {
        if let Err(wrong) = known.check(|key| chosen.amount(key)) {
            let mistake =
                Mistake::new(Code::BadValue, format!("`{at}.{}` {}", wrong.key, wrong.problem))
                    .label("this makes no sense")
                    .help(wrong.remedy);
            // Of two that do not agree, the other one may be all that is written.
            let other = known.ordered.filter(|_| chosen.get(wrong.key).is_none());
            let key = other.map_or(wrong.key, |(_, least)| least);
            self.report(&format!("{at}.{key}"), mistake);
        }
        for (key, choice) in chosen {
            let Choice::Names(names) = choice else { continue };
            let at = format!("{at}.{key}");
            for (n, name) in names.iter().enumerate() {
                self.refers(&format!("{at}[{n}]"), name, Sort::Backend);
            }
            self.twice(&at, names, Code::DuplicateName);
        }
    }

    fn users(&mut self) {
        for (name, user) in &self.scenario.users {
            let at = format!("users.{name}");
            self.name(&at, name);
            self.refers(&format!("{at}.backend"), &user.backend, Sort::Backend);
            self.devices(&format!("{at}.devices"), user);
        }
    }

    fn devices(&mut self, at: &str, user: &User) {
        if !(1..=MOST_DEVICES).contains(&user.devices) {
            let mistake = Mistake::new(
                Code::BadValue,
                format!("a user cannot have {} devices", user.devices),
            )
            .label(format!("expected 1 to {MOST_DEVICES}"))
            .help("leave `devices` out for one device");
            self.report(at, mistake);
        }
    }

    fn conversations(&mut self) {
        for (name, conversation) in &self.scenario.conversations {
            let at = format!("conversations.{name}");
            self.name(&at, name);
            self.refers(&format!("{at}.creator"), &conversation.creator, Sort::User);
            for (n, member) in conversation.members.iter().enumerate() {
                let at_member = format!("{at}.members[{n}]");
                self.refers(&at_member, member, Sort::User);
                if *member == conversation.creator {
                    let mut mistake = Mistake::new(
                        Code::MemberTwice,
                        format!("`{member}` is both the creator and a listed member"),
                    )
                    .label("a member already, as the creator")
                    .help("list the other members only");
                    let creator = "the creator".to_owned();
                    self.context(&mut mistake, &format!("{at}.creator"), creator);
                    self.report(&at_member, mistake);
                }
            }
            self.twice(&format!("{at}.members"), &conversation.members, Code::MemberTwice);
        }
    }
}

//! The meaning of the expectations.

use super::{Meaning, Sort, ops::messages};
use crate::language::{
    mistake::{Code, Mistake},
    names::closest,
};

impl Meaning<'_> {
    pub(super) fn expect(&mut self) {
        let expect = &self.scenario.expect;
        self.checks("only", &expect.only, &["always", "eventually"]);
        self.checks("always", &expect.always, &["always"]);
        self.checks("eventually", &expect.eventually, &["eventually"]);
        self.checks("sometimes", &expect.sometimes, &["sometimes"]);
        self.checks("violates", &expect.violates, &["always", "eventually"]);
        self.contradictions();
        self.messages();
    }

    fn checks(&mut self, key: &str, checks: &[String], allowed: &[&str]) {
        let at = format!("expect.{key}");
        for (n, check) in checks.iter().enumerate() {
            let known = self.vocabulary.checks.iter().find(|known| known.name == check);
            let mistake = match known.map(|known| known.kind.word()) {
                Some(when) if allowed.contains(&when) => continue,
                Some("sometimes") if key == "violates" => Mistake::new(
                    Code::UnknownCheck,
                    format!("`{check}` is a situation, not a check"),
                )
                .label("a situation cannot be violated")
                .help("to require that it comes about, list it in `sometimes`"),
                Some(when) => Mistake::new(
                    Code::UnknownCheck,
                    format!("`{check}` does not belong in `{key}`"),
                )
                .label(format!("this is judged `{when}`"))
                .help(format!("move it to the list `{when}`")),
                None => {
                    let checks = self.vocabulary.checks.iter();
                    let all = checks.clone().map(|known| known.name);
                    let fitting = checks.filter(|known| allowed.contains(&known.kind.word()));
                    let fitting: Vec<_> = fitting.map(|known| known.name).collect();
                    let help = match closest(check, all) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => format!("`{key}` can list {}", super::listed(&fitting)),
                    };
                    Mistake::new(Code::UnknownCheck, format!("there is no check `{check}`"))
                        .label("not a check")
                        .help(help)
                }
            };
            self.report(&format!("{at}[{n}]"), mistake);
        }
        self.twice(&at, checks, Code::DuplicateName);
    }

    /// Notes checks that must both hold and be violated.
    fn contradictions(&mut self) {
        let expect = &self.scenario.expect;
        for (n, check) in expect.violates.iter().enumerate() {
            for (key, held) in [("always", &expect.always), ("eventually", &expect.eventually)] {
                let Some(place) = held.iter().position(|held| held == check) else { continue };
                let mut mistake = Mistake::new(
                    Code::BadValue,
                    format!("`{check}` is expected to hold and to be violated"),
                )
                .label("expected to be violated")
                .help("remove it from one of the two lists");
                let at = format!("expect.{key}[{place}]");
                self.context(&mut mistake, &at, "expected to hold".to_owned());
                self.report(&format!("expect.violates[{n}]"), mistake);
            }
        }
    }

    fn messages(&mut self) {
        let sent: Vec<String> = self.scenario.ops.iter().flat_map(messages).collect();
        for (id, expected) in &self.scenario.expect.messages {
            let at = format!("expect.messages.{id}");
            self.message(&at, id, &sent);
            for (n, backend) in expected.unreachable.iter().flatten().enumerate() {
                self.refers(&format!("{at}.unreachable[{n}]"), backend, Sort::Backend);
            }
            for (n, user) in expected.seen_by.iter().flatten().enumerate() {
                self.refers(&format!("{at}.seen-by[{n}]"), user, Sort::User);
            }
        }
    }
}

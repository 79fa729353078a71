//! What is left of a scenario that was shrunk, as a file that a person reads in a minute.

use std::fmt::Write as _;

use scenarios::{Scenario, language, scenario::Schedule};

use super::Search;
use crate::trial::{End, Trial, Violation};

/// A scenario that was made small.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What is left. It violates the check when it is played with its own seed.
    pub scenario: Scenario,
    /// What it violates.
    pub violation: Violation,
    /// Why each fault that is left is needed, in their order; and why the schedule is, unless it is
    /// the fixed order.
    pub needs: Vec<Need>,
    /// How many faults and operations the scenario had before.
    pub before: (usize, usize),
    /// How many runs it took.
    pub runs: u64,
}

/// What comes of a scenario without one of its faults, or in the fixed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The fault or schedule, as a report shows it.
    pub fault: String,
    /// What comes of the scenario without it, in a sentence.
    pub without: String,
}

/// Ends a search.
pub(super) fn told(search: Search<'_>, from: &Scenario) -> Shrunk {
    let Search { subject, check, best, trial, spent, .. } = search;
    let mut runs = spent.runs;
    let mut needs = Vec::new();
    for index in 0..best.faults.len() {
        let mut without = best.clone();
        without.leave_out_faults(|left_out| left_out == index);
        runs += 1;
        let without = outcome(&subject.play(&without), check);
        needs.push(Need { fault: best.faults[index].kind.to_string(), without });
    }
    if !best.schedule.is_fixed() {
        let without = Scenario { schedule: Schedule::Fixed, ..best.clone() };
        runs += 1;
        let without = outcome(&subject.play(&without), check);
        needs.push(Need { fault: format!("schedule {}", best.schedule), without });
    }
    let found = || Violation { check: check.to_owned(), sentence: String::new() };
    let violation = trial.violation(check).cloned().unwrap_or_else(found);
    let before = (from.faults.len(), from.ops.len());
    let scenario = named(best, &violation);
    Shrunk { scenario, violation, needs, before, runs }
}

fn outcome(trial: &Trial, check: &str) -> String {
    match &trial.end {
        End::Passed => "every check holds".to_owned(),
        End::Unknown(why) => format!("{check} is not violated; the run could not be judged: {why}"),
        End::Violated(_) if trial.violates(check) => {
            format!("{check} is violated as well, in another way")
        }
        End::Violated(others) => {
            let names: Vec<&str> = others.iter().map(|it| it.check.as_str()).collect();
            format!("{check} holds; {} is violated", names.join(", "))
        }
    }
}

/// Names a scenario after what it violates.
fn named(mut scenario: Scenario, violation: &Violation) -> Scenario {
    let hash = journal::hash([language::to_toml(&scenario)]);
    scenario.name = format!("{}-{}", violation.check, &hash[..8]);
    scenario.about = format!("Violates {}: {}.", violation.check, violation.sentence);
    scenario.tags = vec!["explored".to_owned()];
    scenario
}

impl Shrunk {
    /// Returns how many faults and operations are left.
    pub fn size(&self) -> (usize, usize) {
        (self.scenario.faults.len(), self.scenario.ops.len())
    }

    /// Returns it as a scenario file that says why it is as it is.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        // A panic says more than a line.
        for line in self.story().iter().flat_map(|sentence| sentence.lines()) {
            writeln!(text, "# {line}").expect("a String takes all text");
        }
        text.push('\n');
        text.push_str(&language::to_toml(&self.scenario));
        text
    }

    /// Returns it as a Rust test that fails as long as the check is violated. `found` is the expression
    /// that makes the federation, such as `Homeservers::default`.
    pub fn to_test(&self, found: &str) -> String {
        let name = self.scenario.name.replace('-', "_");
        let story: Vec<String> = self.story().iter().map(|line| format!("/// {line}")).collect();
        let story = story.join("\n");
        let toml = language::to_toml(&self.scenario);
        format!(
            "{story}\n#[test]\nfn {name}() {{\n    let text = r####\"\n{toml}\"####;\n    \
             fedsim::testing::passes({found}, text);\n}}\n"
        )
    }

    /// Returns its story, a sentence a line.
    pub fn story(&self) -> Vec<String> {
        let (faults, ops) = self.size();
        let counted = |n: usize, thing: &str| {
            if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
        };
        let mut story = vec![
            format!("Violates {}: {}.", self.violation.check, self.violation.sentence),
            format!(
                "Shrunk from {} and {} to {} and {}, in {} runs.",
                counted(self.before.0, "fault"),
                counted(self.before.1, "operation"),
                counted(faults, "fault"),
                counted(ops, "operation"),
                self.runs
            ),
        ];
        let needs = self.needs.iter();
        story.extend(needs.map(|need| format!("Without `{}`, {}.", need.fault, need.without)));
        if faults == 0 {
            story.push("No fault is needed.".to_owned());
        }
        story
    }
}

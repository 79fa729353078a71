//! What keeps a pass from being a strict one.

use scenarios::scenario::Misdeed;

use super::{CheckRecord, CheckVerdict, EventRecord, FaultRecord, Record, Skipped};

impl Record {
    /// Returns what keeps a pass from being a strict one, in sentences: faults that touched
    /// nothing, operations that never happened, checks that judged nothing, situations that never
    /// came about, and promises that were kept only because something broken healed itself.
    pub fn weaknesses(&self) -> Vec<String> {
        let faults = self.faults.iter().filter_map(FaultRecord::weakness);
        let checks = self.checks.iter().filter_map(CheckRecord::weakness);
        let nothing = (self.checks.is_empty()).then(|| "no check judged anything".to_owned());
        let skipped = self.skipped.iter().map(Skipped::weakness);
        faults.chain(skipped).chain(checks).chain(nothing).chain(self.healed()).collect()
    }

    /// Returns the messages that a backend had voted for and did not have when it was told to show
    /// them, so that the owner of the conversation had to prepare them anew.
    fn healed(&self) -> Vec<String> {
        let requests = || self.events.iter().filter(|event| event.kind == "request_sent");
        let has = |event: &EventRecord, result: &str| event.result.as_deref() == Some(result);
        let unknown = requests().filter(|event| event.what == "decision" && has(event, "404"));
        let mut healed: Vec<String> = unknown
            .filter_map(|told| {
                let is_again = |event: &&EventRecord| {
                    (&event.node, &event.to, &event.message)
                        == (&told.node, &told.to, &told.message)
                        && event.n > told.n
                        && event.what == "prepare"
                        && has(event, "200")
                };
                requests().find(is_again)?;
                let (backend, message) = (told.to.as_deref()?, told.message.as_deref()?);
                if self.is_to_forget(backend) {
                    return None;
                }
                Some(format!("{backend} lost {message}, which it had voted for, and healed itself"))
            })
            .collect();
        healed.dedup();
        healed
    }

    /// Returns whether a fault explains that a backend does not know what it voted for: it was made to
    /// say so, or its disk was emptied or set back.
    fn is_to_forget(&self, backend: &str) -> bool {
        let denies = format!("{} by {backend}", Misdeed::DenyVotes.key());
        let losses = ["restore", "wipe"].map(|loss| format!("{loss} {backend}"));
        self.faults.iter().filter(|fault| fault.from_ns.is_some()).any(|fault| {
            losses.contains(&fault.what) || fault.what.split(" to ").next() == Some(&*denies)
        })
    }
}

impl FaultRecord {
    fn weakness(&self) -> Option<String> {
        match self.from_ns {
            None => Some(format!("{} ({}) never began", self.what, self.when)),
            Some(_) if self.hits == 0 => Some(format!("{} touched nothing", self.what)),
            Some(_) => None,
        }
    }
}

impl Skipped {
    fn weakness(&self) -> String {
        format!("`{}` never happened: {}", self.operation, self.reason())
    }
}

impl CheckRecord {
    fn weakness(&self) -> Option<String> {
        match self.verdict {
            CheckVerdict::Never => Some(format!("{} never came about", self.name)),
            CheckVerdict::Holds if self.judged == 0 => {
                Some(format!("{} judged nothing", self.name))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use journal::fault::FaultReport;
    use scenarios::scenario::{Delivery, Fault, Scenario};
    use serde_json::json;

    use crate::{
        HOMESERVERS, Played,
        history::fake::{Fake, pdu, restored, scenario},
        judged,
    };

    fn begun(fault: &Fault) -> FaultReport {
        let (what, from) = (fault.kind.to_string(), std::time::Duration::ZERO);
        FaultReport { what, from, until: None, requests: BTreeSet::new(), hits: 1 }
    }

    /// Returns whether a journal shows that something healed itself: `b` is told of a commit that
    /// it answers with this status, and is asked to prepare the message again or is not.
    fn is_healed(scenario: &Scenario, status: u16, prepared_again: bool) -> bool {
        let mut fake = Fake::ready();
        let path =
            |what| format!("PUT /_matrix/federation/unstable/org.fedsim.m1/{what}/!team/$m1");
        let prepare = |fake: &mut Fake| {
            let body = json!({"event": pdu("m1"), "devices": {}});
            fake.exchange(("a", "b"), &path("prepare"), &body, &json!({"vote": "yes"}));
        };
        fake.sends("alice/1", "m1");
        prepare(&mut fake);
        if !scenario.faults.is_empty() {
            fake.begins_fault(0);
        }
        let told = fake.request("a", "b", &path("decision"), &json!({"decision": "commit"}));
        let answer = fake.answer(told, status, &json!({}));
        fake.arrive(told, answer);
        if prepared_again {
            prepare(&mut fake);
        }
        let played = Played { scenario, seed: 1, file: None };
        let recording = journal::Recording {
            journal: fake.journal(),
            faults: scenario.faults.iter().map(begun).collect(),
            ended: journal::Ended::Finished,
            at: std::time::Duration::from_secs(1),
        };
        let weaknesses = judged(&HOMESERVERS, played, recording).record.weaknesses();
        weaknesses.contains(&"b lost m1, which it had voted for, and healed itself".to_owned())
    }

    #[test]
    fn a_message_that_is_prepared_anew_after_the_decision_is_a_weakness() {
        let sound = scenario(Delivery::M1);
        assert!(is_healed(&sound, 404, true));
        assert!(!is_healed(&sound, 404, false) && !is_healed(&sound, 503, true));
    }

    #[test]
    fn who_was_set_back_may_have_lost_what_it_voted_for() {
        assert!(is_healed(&restored("a", 0), 404, true), "that is another one");
        assert!(!is_healed(&restored("b", 0), 404, true));
    }
}

//! What keeps a pass from being a strict one.

use scenarios::scenario::Misdeed;

use super::{CheckRecord, CheckVerdict, EventRecord, FaultRecord, Record, Skipped};
use crate::history::Note;

impl Record {
    /// Returns whether it is of real processes, which do not do the same again.
    pub fn is_of_real_time(&self) -> bool {
        let (topic, _) = Note::RealTime {}.to_parts();
        self.events.iter().any(|event| event.kind == "note" && event.what == topic)
    }

    /// Returns what keeps a pass from being a strict one, in sentences: faults that touched
    /// nothing, operations that never happened, checks that judged nothing, situations that never
    /// came about, and promises that were kept only because something broken healed itself.
    pub fn weaknesses(&self) -> Vec<String> {
        let faults = self.faults.iter().filter(|fault| !self.is_one_of_many(fault));
        let faults = faults.filter_map(FaultRecord::weakness);
        let checks = self.checks.iter().filter_map(CheckRecord::weakness);
        let nothing = (self.checks.is_empty()).then(|| "no check judged anything".to_owned());
        let skipped = self.skipped.iter().map(Skipped::weakness);
        faults.chain(skipped).chain(checks).chain(nothing).chain(self.healed()).collect()
    }

    /// Returns whether a fault comes again and again by the clock, as one does that is written with
    /// `online`, and did something one of these times. Nobody can say of each that it must.
    fn is_one_of_many(&self, fault: &FaultRecord) -> bool {
        const MANY: usize = 3;
        let is_same =
            |other: &&FaultRecord| other.what == fault.what && other.when.starts_with("at ");
        let same = || self.faults.iter().filter(is_same);
        let is_many = same().count() >= MANY;
        fault.from_ns.is_some() && is_same(&fault) && is_many && same().any(|other| other.hits > 0)
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
                if self.is_to_forget(backend, told) {
                    return None;
                }
                Some(format!("{backend} lost {message}, which it had voted for, and healed itself"))
            })
            .collect();
        healed.dedup();
        healed
    }

    /// Returns whether a fault explains that a backend does not know what it is told of: it was made to
    /// say so, or its disk was emptied or set back since it was asked to vote.
    fn is_to_forget(&self, backend: &str, told: &EventRecord) -> bool {
        let is_asked = |event: &&EventRecord| {
            (event.kind.as_str(), event.what.as_str()) == ("request_sent", "prepare")
                && (&event.to, &event.message) == (&told.to, &told.message)
        };
        let asked = self.events.iter().find(is_asked).map_or(told.at_ns, |asked| asked.at_ns);
        let denies = format!("{} by {backend}", Misdeed::DenyVotes.key());
        let losses = ["restore", "wipe"].map(|loss| format!("{loss} {backend}"));
        self.faults.iter().any(|fault| {
            let from = fault.from_ns.and_then(|from| i64::try_from(from).ok());
            let is_between = from.is_some_and(|from| (asked..=told.at_ns).contains(&from));
            (is_between && losses.contains(&fault.what))
                || fault.what.split(" to ").next() == Some(&*denies)
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
    use std::{collections::BTreeSet, time::Duration};

    use journal::fault::FaultReport;
    use scenarios::scenario::{Delivery, Fault, NetworkFault, Scenario, When};
    use serde_json::json;

    use crate::{
        HOMESERVERS, Played,
        history::fake::{Fake, pdu, restored, scenario},
        judged,
    };

    fn begun(fault: &Fault, from: Duration) -> FaultReport {
        let what = fault.kind.to_string();
        FaultReport { what, from, until: None, requests: BTreeSet::new(), hits: 1 }
    }

    /// When the fault of a scenario with one begins.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Lost {
        Never,
        /// Before the vote.
        Before,
        /// Between the vote and the decision.
        Between,
    }

    /// Returns whether a journal shows that something healed itself: `b` is told of a commit that
    /// it answers with this status, and is asked to prepare the message again or is not.
    fn is_healed(scenario: &Scenario, lost: Lost, status: u16, prepared_again: bool) -> bool {
        let mut fake = Fake::ready();
        let path =
            |what| format!("PUT /_matrix/federation/unstable/org.fedsim.m1/{what}/!team/$m1");
        let prepare = |fake: &mut Fake| {
            let body = json!({"event": pdu("m1"), "devices": {}});
            fake.exchange(("a", "b"), &path("prepare"), &body, &json!({"vote": "yes"}));
        };
        fake.sends("alice/1", "m1");
        let mut from = Duration::ZERO;
        for now in [Lost::Before, Lost::Between] {
            if now == lost {
                fake.begins_fault(0);
                from = fake.now();
            }
            if now == Lost::Before {
                prepare(&mut fake);
            }
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
            faults: scenario.faults.iter().map(|fault| begun(fault, from)).collect(),
            ended: journal::Ended::Finished,
            at: Duration::from_secs(1),
        };
        let weaknesses = judged(&HOMESERVERS, played, recording).record.weaknesses();
        weaknesses.contains(&"b lost m1, which it had voted for, and healed itself".to_owned())
    }

    #[test]
    fn a_message_that_is_prepared_anew_after_the_decision_is_a_weakness() {
        let sound = scenario(Delivery::M1);
        let healed = |status, again| is_healed(&sound, Lost::Never, status, again);
        assert!(healed(404, true) && !healed(404, false) && !healed(503, true));
    }

    #[test]
    fn who_was_set_back_since_it_voted_may_have_lost_that() {
        let healed = |node: &str, lost| is_healed(&restored(node, 0), lost, 404, true);
        assert!(!healed("b", Lost::Between));
        assert!(healed("b", Lost::Before), "it had voted after that");
        assert!(healed("a", Lost::Between), "that is another one");
    }

    /// Returns the weaknesses of a run in which the same cut began so often, and touched so many requests
    /// each time.
    fn of_cuts(hits: &[u64]) -> Vec<String> {
        let cut = NetworkFault::Partition {
            between: vec!["b".to_owned()],
            and: vec!["a".to_owned()],
            one_way: false,
        };
        let cut = Fault::new(When::At(Duration::ZERO), None, cut.into());
        let mut scenario = scenario(Delivery::M1);
        scenario.faults = vec![cut; hits.len()];
        let mut fake = Fake::ready();
        (0..hits.len()).for_each(|index| fake.begins_fault(index));
        let report = |(fault, hits): (&Fault, &u64)| FaultReport {
            hits: *hits,
            ..begun(fault, Duration::ZERO)
        };
        let recording = journal::Recording {
            journal: fake.journal(),
            faults: scenario.faults.iter().zip(hits).map(report).collect(),
            ended: journal::Ended::Finished,
            at: Duration::from_secs(1),
        };
        let played = Played { scenario: &scenario, seed: 1, file: None };
        let weaknesses = judged(&HOMESERVERS, played, recording).record.weaknesses();
        weaknesses.into_iter().filter(|weakness| weakness.contains("touched nothing")).collect()
    }

    #[test]
    fn one_of_many_equal_faults_may_touch_nothing_and_not_all() {
        let nothing = "partition b | a touched nothing".to_owned();
        assert_eq!(of_cuts(&[1, 0, 0]), [""; 0]);
        assert_eq!(of_cuts(&[1, 0]), vec![nothing.clone(); 1]);
        assert_eq!(of_cuts(&[0, 0, 0]), vec![nothing; 3]);
    }
}

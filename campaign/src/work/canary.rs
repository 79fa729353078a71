//! Looks for the known defect that is planted: a search that does not find it finds nothing.

use defects::Defect;
use explore::{Subject, offspring};

use super::{Did, Hand};
use crate::{block::Looked, key::Item, now_ms, queue::Trouble};

impl Hand<'_> {
    pub(super) fn canary(&self, number: u64) -> Result<Did, Trouble> {
        let wanted = self.plan.canary.as_ref();
        let wanted = wanted.and_then(|it| Some((it, defect(&it.defect)?)));
        let Some((canary, defect)) = wanted else {
            return Err(Trouble::of_item(
                "the canary of this campaign is no defect that is known here",
            ));
        };
        let mut planted = self.subject.clone();
        planted.options.defect = Some(defect);
        let mut looked =
            Looked { worker: self.name.clone(), runs: 0, check: None, at_ms: now_ms() };
        for text in &canary.texts {
            if looked.check.is_some() {
                break;
            }
            if self.is_over() {
                return Ok(Did::Nothing);
            }
            self.look(text, number, &planted, &mut looked)?;
        }
        self.end(&Item::Canary(number), looked)
    }

    /// Looks for it in a scenario as it is, and in a child of it.
    fn look(
        &self,
        text: &str,
        number: u64,
        planted: &Subject,
        looked: &mut Looked,
    ) -> Result<(), Trouble> {
        let vocabulary = (self.subject.found)().promises().vocabulary;
        let scenario = self.desk.scenario(vocabulary, text)?;
        let trial = planted.play(&scenario);
        let child = offspring::child(vocabulary, &scenario, &trial.places, number);
        for (played, trial) in [(&scenario, Some(trial)), (&child, None)] {
            let trial = trial.unwrap_or_else(|| planted.play(played));
            looked.runs += 1;
            if trial.violations().is_empty() {
                continue;
            }
            // What sound servers violate, too, is not the defect.
            let beside = self.subject.play(played);
            let violation = trial.violations().iter().find(|it| !beside.violates(&it.check));
            looked.check = looked.check.take().or_else(|| violation.map(|it| it.check.clone()));
        }
        Ok(())
    }
}

fn defect(name: &str) -> Option<Defect> {
    Defect::ALL.iter().copied().find(|defect| defect.name() == name)
}

//! `queues-drained`: in the end, no homeserver has anything left to send or is in doubt.

use crate::{Finding, Judgment, history::History};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("homeservers");
    for backend in history.scenario.backends.keys().filter(|it| history.is_honest(it)) {
        let Some(pending) = history.finals.queues.get(backend) else {
            judgment.cannot_tell(format!("the queues of {backend} could not be read"));
            continue;
        };
        judgment.judged += 1;
        if let Some((what, count)) = pending.iter().next() {
            let sentence = format!("{backend} still has {count} pending: {what}");
            judgment.found(at_the_end(history, sentence));
        }
    }
    judgment
}

/// Returns a finding about how things were when the time to settle was over.
pub(super) fn at_the_end(history: &History<'_>, sentence: String) -> Finding {
    let end = history.settled.as_ref().map(|(at, _)| *at);
    let at = end.map_or(std::time::Duration::ZERO, |end| end.at);
    Finding::new(at, sentence, end.map(|end| end.n).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;

    use super::judge;
    use crate::history::{Note, fake::Fake};

    #[test]
    fn a_homeserver_has_nothing_to_send_in_the_end() {
        let left = |entries: &[(&str, u64)]| {
            let mut fake = Fake::ready();
            for backend in ["a", "b", "c"] {
                let of_a = entries.iter().filter(|_| backend == "a");
                let pending = of_a.map(|&(to, n)| (to.to_owned(), n)).collect();
                fake.note(&Note::FinalQueues {
                    backend: backend.to_owned(),
                    pending: Some(pending),
                });
            }
            fake.judged(Delivery::Eventual, judge)
        };
        assert_eq!((left(&[]).judged, left(&[]).finding), (3, None));
        let finding = left(&[("b", 3)]).finding.expect("a violation");
        assert_eq!(finding.sentence, "a still has 3 pending: b");
    }
}

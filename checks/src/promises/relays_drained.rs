//! `relays-drained`: in the end, no relay keeps anything, for whichever destination.

use crate::{Judgment, history::History};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("relays");
    for relay in history.scenario.relays.keys() {
        let Some(kept) = history.finals.mail.get(relay) else {
            judgment.cannot_tell(format!("the mail of {relay} could not be read"));
            continue;
        };
        judgment.judged += 1;
        if let Some((destination, entries)) = kept.iter().next() {
            let sentence = format!("{relay} still keeps {entries} for {destination}");
            judgment.found(super::queues_drained::at_the_end(history, sentence));
        }
    }
    judgment
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;

    use super::judge;
    use crate::{
        Finding,
        history::{Note, fake::Fake},
    };

    #[test]
    fn a_relay_keeps_nothing_in_the_end() {
        let keeping = |entries: Option<&[(&str, u64)]>| {
            let mut fake = Fake::ready();
            let entries = entries.map(|it| it.iter().map(|&(to, n)| (to.to_owned(), n)).collect());
            fake.note(&Note::FinalMail { relay: "r1".to_owned(), entries });
            fake.judged(Delivery::Eventual, judge)
        };
        assert_eq!((keeping(Some(&[])).judged, keeping(Some(&[])).finding), (1, None));
        let sentence = |finding: Option<Finding>| finding.map(|finding| finding.sentence);
        let expected = Some("r1 still keeps 2 for b".to_owned());
        assert_eq!(sentence(keeping(Some(&[("b", 2)])).finding), expected);
        assert!(keeping(None).unknown.is_some());
    }
}

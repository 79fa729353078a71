//! What echo servers promise, judged by what the network and the clients saw.

use fedsim::{
    checks::{
        Check, Finding, Judgment,
        history::{Exchange, History},
        record::CheckKind,
    },
    scenarios::scenario::Scenario,
};

/// Every promise, the most serious first.
pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "stored-first",
        kind: CheckKind::Always,
        means: "a server's disk has synced before it says that it was told something",
        applies: any,
        judge: stored_first,
    },
    Check {
        name: "heard-by-all",
        kind: CheckKind::Eventually,
        means: "in the end, every backend has what a client was told is taken",
        applies: any,
        judge: heard_by_all,
    },
];

fn any(_: &Scenario) -> bool {
    true
}

/// Judges that a server's disk has synced before it says that it was told something.
fn stored_first(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("answers");
    for said in history.exchanges_of("say").filter(|said| said.is_accepted()) {
        let (Some(arrived), Some(answer)) = (said.arrived, said.answer) else { continue };
        judgment.judged += 1;
        if history.synced_between(said.to, arrived.n, answer.sent.n).is_none() {
            let what =
                format!("{} answered {} and had stored nothing", said.to, said.request.target);
            judgment.found(Finding::new(answer.sent.at, what, said.evidence()));
        }
    }
    judgment
}

/// Judges that in the end, every backend has what a client was told is taken.
fn heard_by_all(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("echoes");
    for (told, _, said) in history.notes("said").filter(|(.., said)| said["outcome"] == "ok") {
        let id = said["id"].as_str().unwrap_or_default();
        for (read, _, heard) in history.notes("heard") {
            let Some(ids) = heard["ids"].as_array() else {
                judgment.cannot_tell(format!("{} did not tell what it heard", heard["backend"]));
                continue;
            };
            judgment.judged += 1;
            if !ids.iter().any(|known| known == id) {
                let backend = heard["backend"].as_str().unwrap_or_default();
                let what = format!("{id} was taken, and {backend} never heard it");
                let mut evidence = vec![told.n, read.n];
                evidence.extend(carriers(history, id, backend).flat_map(Exchange::evidence));
                evidence.sort_unstable();
                judgment.found(Finding::new(read.at, what, evidence));
            }
        }
    }
    judgment
}

/// Returns the requests that brought `id` to `backend`, or should have.
fn carriers<'h>(
    history: &'h History<'h>,
    id: &'h str,
    backend: &'h str,
) -> impl Iterator<Item = &'h Exchange<'h>> {
    let hears = history.exchanges_of("hear").filter(move |hear| hear.to == backend);
    hears.filter(move |hear| hear.arguments() == [id])
}

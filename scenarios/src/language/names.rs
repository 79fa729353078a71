//! The names of the checks, and what counts as a name.

/// Every check: its name, and when it is judged.
///
/// `always`: at every moment (`same-state` at the end). `eventually`: once everything is repaired
/// and settled. `sometimes`: a situation that must have come about.
pub const NAMES: &[(&str, &str)] = &[
    ("all-or-nothing", "always"),
    ("no-early-sight", "always"),
    ("honest-answer", "always"),
    ("exactly-once", "always"),
    ("no-zombie", "always"),
    ("sender-order", "always"),
    ("right-recipient", "always"),
    ("no-forgery", "always"),
    ("acknowledged-survives", "always"),
    ("relay-keeps", "always"),
    ("one-in-flight", "always"),
    ("idempotent-transactions", "always"),
    ("within-limits", "always"),
    ("same-state", "always"),
    ("delivered", "eventually"),
    ("relays-drained", "eventually"),
    ("queues-drained", "eventually"),
    ("send-refused", "sometimes"),
    ("send-indefinite", "sometimes"),
    ("relayed", "sometimes"),
    ("retrieved-from-relay", "sometimes"),
    ("in-doubt-asked", "sometimes"),
    ("missing-events-fetched", "sometimes"),
    ("answer-lost", "sometimes"),
    ("machine-restarted", "sometimes"),
    ("caught-up-by-notifications", "sometimes"),
    ("trespass-refused", "sometimes"),
];

/// The longest name of a machine, user, conversation or message, in bytes.
pub const LONGEST_NAME: usize = 32;
/// The longest name of a scenario, in bytes.
pub const LONGEST_SCENARIO_NAME: usize = 64;

/// Whether `name` may name anything: `[a-z0-9][a-z0-9-]*`, at most `longest` characters. Names
/// stand in host names, user ids and file names, so nothing else will do.
pub fn is_name(name: &str, longest: usize) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= longest
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|c| plain(c) || c == b'-')
}

/// Candidates that are compared with what was written, at most.
const MOST_CANDIDATES: usize = 1_000;

/// The candidate that is closest to what was written, if one is close enough to be meant.
pub(super) fn closest<'c>(
    written: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // A third of the letters may differ, and at least one.
    let letters = written.chars().count();
    let allowed = (letters / 3).max(1);
    candidates
        .into_iter()
        .take(MOST_CANDIDATES)
        .map(|candidate| (strsim::damerau_levenshtein(written, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed && *distance < letters)
        .min()
        .map(|(_, candidate)| candidate)
}

//! What counts as a name, and which one was meant.

/// The longest name of a machine, user, conversation or message, in bytes.
pub const LONGEST_NAME: usize = 32;
/// The longest name of a scenario, in bytes.
pub const LONGEST_SCENARIO_NAME: usize = 64;

/// Returns whether `name` is a valid name: `[a-z0-9][a-z0-9-]*`, at most `longest` characters.
/// Names become parts of host names, user ids and file names, so nothing else is allowed.
pub fn is_name(name: &str, longest: usize) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= longest
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|c| plain(c) || c == b'-')
}

/// The most candidates that are compared with what was written.
const MOST_CANDIDATES: usize = 1_000;

/// Returns the candidate that is closest to what was written, if it is close enough to be meant.
pub fn closest<'c>(
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

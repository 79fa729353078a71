//! What makes no sense for a setting, whichever server has it.

use super::Wrong;

/// Returns the mistake that a value makes no sense.
pub(super) fn wrong(key: &'static str, problem: &str, remedy: &str) -> Wrong {
    Wrong { key, problem: problem.to_owned(), remedy: remedy.to_owned() }
}

/// Everything makes sense.
#[expect(clippy::unnecessary_wraps, reason = "it is a rule like the others, which may refuse")]
pub(super) fn any(_: &'static str, _: u64) -> Result<(), Wrong> {
    Ok(())
}

/// It is 1 at least.
pub(super) fn count(key: &'static str, amount: u64) -> Result<(), Wrong> {
    positive(key, amount, "give it at least 1")
}

/// It takes some time.
pub(super) fn time(key: &'static str, amount: u64) -> Result<(), Wrong> {
    positive(key, amount, "give it at least \"1ms\"")
}

pub(super) fn positive(key: &'static str, amount: u64, remedy: &str) -> Result<(), Wrong> {
    if amount == 0 { Err(wrong(key, "is 0", remedy)) } else { Ok(()) }
}

//! How long a server that does not answer is waited for: it may be started anew just now.

use std::{fmt::Display, future::Future, time::Duration};

use scenarios::duration;
use tokio::time::{Instant, sleep, timeout};

use crate::queue::Trouble;

/// How long it is tried altogether.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long one attempt may take, beside what it carries.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How many bytes the slowest line carries in a second: a megabit, of which something is lost.
const SLOWEST: u64 = 100_000;
/// How long nothing is tried after an attempt that failed.
const PAUSE: Duration = Duration::from_millis(250);

/// How long something may take that carries a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// One attempt.
    pub(super) attempt: Duration,
    /// All of them.
    altogether: Duration,
}

impl Limit {
    /// Returns how long so many bytes may take: each attempt gets the time that the slowest line needs.
    pub(super) fn of(bytes: usize) -> Self {
        let carries = Duration::from_millis((bytes as u64).saturating_mul(1_000) / SLOWEST);
        Self { attempt: ATTEMPT + carries, altogether: PATIENCE + carries }
    }
}

/// Why an attempt failed.
pub(super) enum Fault {
    /// Another one may succeed.
    Again(String),
    /// None will, and the server is not to blame.
    Final(String),
    /// None will, and nothing else can be done either.
    Over(String),
}

impl Fault {
    /// Returns a fault after which it is tried again.
    pub(super) fn again(error: impl Display) -> Self {
        Self::Again(error.to_string())
    }
}

/// Tries something until it succeeds, nothing more can be hoped for, or patience ends. `act` is told
/// how many attempts there were before; `said` tells what went wrong with the connection.
pub(super) async fn patiently<T, F>(
    shown: &str,
    limit: Limit,
    said: impl Fn() -> Option<String>,
    act: impl Fn(u32) -> F,
) -> Result<T, Trouble>
where
    F: Future<Output = Result<T, Fault>>,
{
    let began = Instant::now();
    let mut attempts = 0;
    loop {
        let why = match timeout(limit.attempt, act(attempts)).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(Fault::Final(why))) => return Err(Trouble::of_item(format!("{shown}: {why}"))),
            Ok(Err(Fault::Over(why))) => return Err(Trouble::new(format!("{shown}: {why}"))),
            Ok(Err(Fault::Again(why))) => why,
            Err(_) => "no answer came".to_owned(),
        };
        attempts += 1;
        if began.elapsed() > limit.altogether {
            let limit = duration::text(limit.altogether);
            let said = said().map(|said| format!(" ({said})")).unwrap_or_default();
            let message = format!(
                "{shown} did not do what it was asked for within {limit}: {why}{said}\nwhat was \
                 being done is not lost: start the worker again once the server is there"
            );
            return Err(Trouble::new(message));
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::LARGEST_FILE;

    #[test]
    fn a_large_file_gets_the_time_that_a_slow_line_needs_and_a_small_one_no_more_than_before() {
        let seconds = |bytes| {
            let limit = Limit::of(bytes);
            (limit.attempt.as_secs(), limit.altogether.as_secs())
        };
        assert_eq!(seconds(0), (10, 90));
        assert_eq!(seconds(1_000), (10, 90));
        assert_eq!(seconds(3_000_000), (40, 120));
        assert_eq!(seconds(LARGEST_FILE), (681, 761));
    }

    #[test]
    fn an_attempt_that_does_not_end_is_cut_off_and_what_was_said_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        let limit = Limit { attempt: Duration::from_millis(5), altogether: Duration::ZERO };
        let said = || Some("client error: authorization violation".to_owned());
        let never = |_| std::future::pending::<Result<(), Fault>>();
        let refused = runtime.block_on(patiently("nats://a", limit, said, never));
        let refused = refused.expect_err("it never ends").to_string();
        let told = "no answer came (client error: authorization violation)";
        assert!(refused.contains(told), "{refused}");
    }
}

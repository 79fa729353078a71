//! How long a server that does not answer is waited for: it may be started anew just now.

use std::{fmt::Display, future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use crate::queue::Trouble;

/// How long it is tried altogether.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long nothing is tried after an attempt that failed.
const PAUSE: Duration = Duration::from_millis(250);

/// Why an attempt failed.
pub(super) enum Fault {
    /// Another one may succeed.
    Again(String),
    /// None will, and the server is not to blame.
    Final(String),
}

impl Fault {
    /// Returns a fault after which it is tried again.
    pub(super) fn again(error: impl Display) -> Self {
        Self::Again(error.to_string())
    }
}

/// Tries something until it succeeds, nothing more can be hoped for, or patience ends. `act` is told
/// how many attempts there were before.
pub(super) async fn patiently<T, F>(shown: &str, act: impl Fn(u32) -> F) -> Result<T, Trouble>
where
    F: Future<Output = Result<T, Fault>>,
{
    let began = Instant::now();
    let mut attempts = 0;
    loop {
        let why = match timeout(ATTEMPT, act(attempts)).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(Fault::Final(why))) => return Err(Trouble::of_item(format!("{shown}: {why}"))),
            Ok(Err(Fault::Again(why))) => why,
            Err(_) => "no answer came".to_owned(),
        };
        attempts += 1;
        if began.elapsed() > PATIENCE {
            let seconds = PATIENCE.as_secs();
            let message = format!(
                "{shown} did not do what it was asked for within {seconds} s: {why}\nwhat was being \
                 done is not lost: start the worker again once the server is there"
            );
            return Err(Trouble::new(message));
        }
        sleep(PAUSE).await;
    }
}

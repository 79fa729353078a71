//! A connection that somebody asks for, of which the journal tells if it does not come about.

use std::{io, time::Duration};

use journal::Loss;

use super::{Call, Socket, reach};
use crate::world::LiveWorld;

/// Connects to a machine on behalf of the program that asks for it. What does not come about is
/// written down; so is that the program does not wait for it any more, and drops this.
///
/// # Errors
/// It refuses, or it took too long.
pub(crate) async fn attempt(world: &LiveWorld, call: &Call) -> io::Result<Socket> {
    let mut attempt = Attempt { world, call, began: world.now(), is_over: false };
    let reached = reach(world, call).await;
    attempt.is_over = true;
    if let Err(error) = &reached {
        let why = match error.kind() {
            io::ErrorKind::ConnectionRefused => Loss::Refused,
            io::ErrorKind::TimedOut => Loss::TimedOut,
            _ => Loss::Reset,
        };
        world.connect_failed(call, why, attempt.waited());
    }
    reached
}

struct Attempt<'w> {
    world: &'w LiveWorld,
    call: &'w Call,
    began: Duration,
    is_over: bool,
}

impl Attempt<'_> {
    fn waited(&self) -> Duration {
        self.world.now().saturating_sub(self.began)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        // A program that has ended does not wait, nor does it give anything up.
        if !self.is_over && self.world.is_up(&self.call.from) {
            self.world.connect_failed(self.call, Loss::GivenUp, self.waited());
        }
    }
}

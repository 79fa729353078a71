//! The federation that a scenario is run on: which nodes its backends are, what clients do, and
//! what is promised.
//!
//! fedsim's own homeservers and relays are one ([`crate::run::Homeservers`]); anybody's servers are
//! another, once they say the same five things. `docs/your-own-server.md` walks through it.

mod seat;
mod stage;

use std::{collections::BTreeMap, sync::Arc};

use transport::BoxFuture;

pub(crate) use self::seat::run_on;
pub use self::{
    seat::Seat,
    stage::{OBSERVER, Stage},
};
use crate::{checks::Check, scenario::Endpoint};

/// What scenarios on a federation can name.
#[derive(Debug)]
pub struct Vocabulary {
    /// The program that brings it, as a record names it.
    pub program: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The endpoints that a trigger can name, and by which reports call requests.
    pub endpoints: &'static [Endpoint],
    /// Those of them that wait for news: their requests are always in flight.
    pub long_polls: &'static [&'static str],
    /// Its promises, the gravest first.
    pub checks: &'static [Check],
    /// Whether a scenario can have relays, conversations, and operations of its users. Without, all
    /// that clients do is the federation's own [`Federation::work`].
    pub converses: bool,
}

/// A federation under test; a fresh one for each run. Everything that it finds out it notes in the
/// journal, where checks read it.
pub trait Federation: Send + Sync + 'static {
    /// What scenarios on it can name.
    fn vocabulary(&self) -> &'static Vocabulary;

    /// Adds the machines of the scenario: a node for each backend, a seat for each client.
    fn boot(&self, stage: &Arc<Stage>);

    /// Makes everything ready, before any fault: waits until the nodes serve, signs users in ..
    /// Returns the rooms by conversation, for a federation that has them.
    ///
    /// # Errors
    /// It never got ready; a sentence. The run then is neither a pass nor a failure.
    fn prepare<'s>(&'s self, stage: &'s Arc<Stage>) -> BoxFuture<'s, Result<Rooms, String>>;

    /// What clients do, under the scenario's faults. What has not ended by the scenario's limit is
    /// dropped, but tasks of a seat go on to their own deadlines.
    fn work<'s>(&'s self, stage: &'s Arc<Stage>) -> BoxFuture<'s, ()>;

    /// After everything is repaired: what still is to happen, in sentences, beside requests in
    /// flight. Asked again and again until nothing is, or the time to settle is over.
    fn pending<'s>(&'s self, stage: &'s Arc<Stage>) -> BoxFuture<'s, Vec<String>>;

    /// Reads what is there when all has settled, and notes it.
    fn finish<'s>(&'s self, stage: &'s Arc<Stage>) -> BoxFuture<'s, ()>;
}

/// Room ids by conversation.
pub type Rooms = BTreeMap<String, String>;

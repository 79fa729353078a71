//! The federation that a scenario is run on: which nodes its backends are, what clients do, and
//! what is promised.
//!
//! fedsim's own homeservers and relays are one ([`crate::Homeservers`]). Anybody's servers can be
//! another, once they answer the same questions; `docs/your-own-server.md` walks through it.

mod seat;
mod stage;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use transport::BoxFuture;

pub(crate) use self::seat::on_host;
pub use self::{
    seat::Seat,
    stage::{OBSERVER, Stage},
};
use checks::Promises;
use scenarios::Scenario;

use crate::world::Universe;

/// A federation under test; each run has a fresh one. Everything that it finds out, it notes in the
/// journal, where checks read it.
pub trait Federation: Send + Sync + 'static {
    /// Returns what it promises: what its scenarios can name, and the checks that judge it.
    fn promises(&self) -> &'static Promises;

    /// Makes what is the same in every run of a scenario in such a world, before the world begins, so
    /// that [`boot`](Self::boot) need not. Returns how old that is: the world's clocks begin so much
    /// later.
    fn install(&self, universe: &dyn Universe, scenario: &Scenario) -> Duration {
        let _ = (universe, scenario);
        Duration::ZERO
    }

    /// Adds the machines of the scenario: a node for each backend, a seat for each client.
    fn boot(&self, stage: &Arc<Stage>);

    /// Makes everything ready, before any fault: waits until the nodes serve, signs users in ..
    /// Returns the rooms by conversation, for a federation that has them.
    ///
    /// # Errors
    /// It never got ready; the error is a sentence. The run then is neither a pass nor a failure.
    fn prepare<'s>(&'s self, stage: &'s Arc<Stage>) -> BoxFuture<'s, Result<Rooms, String>>;

    /// Does what clients do, under the scenario's faults. What has not ended by the scenario's
    /// limit is dropped, but tasks of a seat go on to their own deadlines.
    fn work<'s>(&'s self, stage: &'s Arc<Stage>) -> BoxFuture<'s, ()>;

    /// Returns what is still to happen after everything is repaired, besides requests in flight, in
    /// sentences. It is called again and again until nothing is, or the time to settle is over.
    fn pending<'s>(&'s self, stage: &'s Arc<Stage>) -> BoxFuture<'s, Vec<String>>;

    /// Reads what is there when everything has settled, and notes it.
    fn finish<'s>(&'s self, stage: &'s Arc<Stage>) -> BoxFuture<'s, ()>;
}

/// Room ids by conversation.
pub type Rooms = BTreeMap<String, String>;

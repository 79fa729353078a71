//! Faults that the harness carries out itself, such as what a [`crate::tamper::Tamper`] does: the
//! world keeps their times and their counts.

use crate::{World, fault::FaultId, machine::current, world::Remedy};

impl World {
    /// Begins a fault of `machine` that somebody else carries out while it [is in force]. Ended by
    /// [`World::repair`].
    ///
    /// [is in force]: World::is_in_force
    pub fn begin_fault(&self, machine: &str, what: &str, cause: Option<u64>) -> FaultId {
        let name = {
            let state = self.shared.lock();
            state.machines[state.machine(machine)].name.clone()
        };
        self.begin(Remedy::External, name, what.to_owned(), cause)
    }

    /// Returns whether a fault has not ended.
    pub fn is_in_force(&self, fault: FaultId) -> bool {
        self.shared.lock().recorder.is_in_force(fault.number())
    }

    /// Counts one thing that the fault touched. Called while a request is served, it counts that
    /// request.
    pub fn touch(&self, fault: FaultId) {
        let mut state = self.shared.lock();
        let served = current::get().filter(|current| current.serving);
        let arrival = served.and_then(|current| state.recorder.journal().get(current.cause?));
        let request = arrival.and_then(|arrival| match arrival.event {
            journal::Event::RequestArrived { request } => Some(request),
            _ => None,
        });
        state.hit(fault.number(), request);
    }
}

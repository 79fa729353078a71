//! A machine: its boots, what holds it down, and what runs on it.

use std::{sync::Arc, time::Duration};

use journal::{Event, Loss, Supervisor, fault::Holds};
use transport::{Host, host::Stream};

use super::{LiveWorld, client::Client, program::Program, state::Listener};

/// A machine's place in the world.
pub(crate) struct Place {
    /// Which start it is, from 1.
    pub(super) incarnation: u64,
    /// Whether it runs.
    pub(super) is_up: bool,
    /// The faults that hold it down. It boots when the last one ends.
    pub(super) downed_by: Holds<Way>,
    /// The faults that pause it.
    pub(super) paused_by: Holds<()>,
    /// Says when a program that has failed is started again.
    pub(super) supervisor: Supervisor,
    /// What runs on it.
    pub(super) runs: Runs,
}

/// What runs on a machine.
pub(super) enum Runs {
    /// A program of its own.
    Program(Box<Program>),
    /// A part of this process.
    Client(Client),
}

/// How a machine goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Nobody hears of it.
    PowerLoss,
    /// Its connections are closed by the kernel, which lives on.
    Kill,
}

/// What is at the end of a way.
pub(crate) enum Target {
    /// A program, whose server-server API may speak TLS.
    Program {
        /// Whether it does.
        is_tls: bool,
    },
    /// A client, with who takes connections to that port, if anybody does.
    Client(Option<Listener>),
}

impl Place {
    pub(super) fn new(runs: Runs) -> Self {
        Self {
            incarnation: 0,
            is_up: false,
            downed_by: Holds::default(),
            paused_by: Holds::default(),
            supervisor: Supervisor::default(),
            runs,
        }
    }

    /// Returns whether it has lost its power.
    pub(super) fn is_dark(&self) -> bool {
        self.downed_by.oldest(|way| *way == Way::PowerLoss).is_some()
    }
}

impl LiveWorld {
    pub(super) fn place(&self, name: &str, runs: Runs) {
        let before = self.lock().places.insert(name.into(), Place::new(runs));
        assert!(before.is_none(), "two machines are called `{name}`");
    }

    /// Boots a machine, unless a fault holds it down. Returns its host, if it is a client's.
    pub(super) fn boot(&self, name: &Arc<str>) -> Option<Host> {
        let now = self.now();
        let incarnation = {
            let mut state = self.lock();
            let place = state.places.get_mut(name)?;
            if place.is_up || !place.downed_by.is_empty() {
                return None;
            }
            place.incarnation += 1;
            place.is_up = true;
            place.supervisor.started(now);
            let incarnation = place.incarnation;
            state.recorder.write(now, Arc::clone(name), None, Event::Booted { incarnation });
            incarnation
        };
        self.reset_lines_before(name, incarnation);
        let host = self.start(name, incarnation);
        self.tell();
        host
    }

    fn start(&self, name: &Arc<str>, incarnation: u64) -> Option<Host> {
        let is_program = matches!(self.lock().place_mut(name).runs, Runs::Program(_));
        if is_program {
            self.start_program(name, incarnation);
            return None;
        }
        Some(self.start_client(name))
    }

    /// Takes away what runs on a machine.
    pub(super) fn stop(&self, name: &str) {
        let stopped = match &mut self.lock().place_mut(name).runs {
            Runs::Program(program) => program.process.take(),
            Runs::Client(client) => {
                client.stop();
                None
            }
        };
        // Dropping it waits until it is gone.
        drop(stopped);
        self.tell();
    }

    /// Pauses or resumes a machine, if it runs.
    pub(super) fn pause(&self, name: &str, is_paused: bool) {
        match &self.lock().place_mut(name).runs {
            Runs::Program(program) => program.pause(is_paused),
            Runs::Client(client) => client.pause(is_paused),
        }
    }

    /// Returns whether a program still is the one that was started `incarnation`-th.
    pub(super) fn is_current(&self, name: &str, incarnation: u64) -> bool {
        let state = self.lock();
        state.place(name).is_some_and(|place| place.is_up && place.incarnation == incarnation)
    }

    /// Takes in that a program has ended by itself. It is started again when its supervisor says so.
    pub(super) fn failed(&self, name: &Arc<str>, error: String) {
        let now = self.now();
        let wait = {
            let mut state = self.lock();
            state.recorder.write(now, Arc::clone(name), None, Event::Exited { error });
            let place = state.place_mut(name);
            place.is_up = false;
            place.supervisor.failed(now)
        };
        self.stop(name);
        self.boot_after(name, wait);
    }

    fn boot_after(&self, name: &Arc<str>, wait: Duration) {
        let (world, name) = (self.clone(), Arc::clone(name));
        self.spawn(async move {
            tokio::time::sleep(wait).await;
            world.boot(&name);
        });
    }

    /// Returns whether connections to a port of a machine are refused at once.
    pub(crate) fn refuses(&self, machine: &str, port: u16) -> bool {
        let mut state = self.lock();
        let is_meant = |(_, it): &&(u64, journal::fault::Refusal)| {
            it.machine == machine && it.port.is_none_or(|only| only == port)
        };
        if let Some(fault) = state.refusals.iter().find(is_meant).map(|(fault, _)| *fault) {
            state.recorder.hit(fault, []);
            return true;
        }
        // Where nothing listens, the kernel says so.
        state.place(machine).is_some_and(|it| it.incarnation > 0 && !it.is_up && !it.is_dark())
    }

    /// Returns whether the kernel of a machine is there; until it has been ready once, a program is not.
    pub(crate) fn answers(&self, machine: &str) -> bool {
        let state = self.lock();
        state.place(machine).is_some_and(|place| {
            let was_ready = match &place.runs {
                Runs::Program(program) => program.was_ready,
                Runs::Client(_) => true,
            };
            place.is_up && was_ready
        })
    }

    /// Returns whether the program of a machine runs.
    pub(crate) fn is_up(&self, machine: &str) -> bool {
        self.lock().place(machine).is_some_and(|place| place.is_up)
    }

    /// Returns what is at the end of a way.
    pub(crate) fn target(&self, machine: &Arc<str>, port: u16) -> Target {
        match self.kind(machine) {
            Some(kind) => Target::Program { is_tls: kind.tls },
            None => {
                Target::Client(self.lock().listeners.get(&(Arc::clone(machine), port)).cloned())
            }
        }
    }

    /// Returns which boot of a machine is the present or last one.
    pub(super) fn incarnation(&self, machine: &str) -> u64 {
        self.lock().place(machine).map_or(0, |place| place.incarnation)
    }

    /// Returns whether nobody hears of the end of what a machine was saying: it has lost its power.
    pub(crate) fn is_dark(&self, machine: &str) -> bool {
        self.lock().place(machine).is_some_and(Place::is_dark)
    }

    /// Resets what connections are left of earlier boots of a machine, as its kernel does that knows
    /// nothing of them.
    fn reset_lines_before(&self, name: &Arc<str>, incarnation: u64) {
        let lines: Vec<u64> = {
            let state = self.lock();
            let is_old = |line: &crate::gateway::Line| {
                let [client, server] = line.boots;
                (line.call.from == *name && client < incarnation)
                    || (line.call.to == *name && server < incarnation)
            };
            state.lines.iter().filter(|(_, line)| is_old(line)).map(|(n, _)| *n).collect()
        };
        for line in lines {
            self.break_line(line);
        }
    }

    /// Takes in that a machine has lost its power: its own requests are lost, and those of others are
    /// touched by `fault`.
    pub(super) fn lose_lines_of(&self, name: &str, fault: u64) {
        let now = self.now();
        let mut state = self.lock();
        let state = &mut *state;
        for line in state.lines.values_mut() {
            let is_own = &*line.call.from == name;
            if is_own || &*line.call.to == name {
                let requests: Vec<u64> = line.exchanges.outstanding.iter().copied().collect();
                state.recorder.hit(fault, requests);
                if is_own {
                    let client = Arc::clone(&line.call.from);
                    state.recorder.lose(now, &mut line.exchanges, &client, Loss::Crashed);
                }
            }
        }
    }

    /// Returns a port's listener of a client, from now on.
    pub(super) fn listen(
        &self,
        machine: &Arc<str>,
        port: u16,
    ) -> tokio::sync::mpsc::UnboundedReceiver<(Stream, String)> {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        self.lock().listeners.insert((Arc::clone(machine), port), sender);
        self.tell();
        receiver
    }
}

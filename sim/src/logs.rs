//! What the programs of a world log, caught on the thread of the world.

use std::{
    collections::VecDeque,
    fmt::{Debug, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tracing::{
    Dispatch, Event, Metadata, Subscriber, dispatcher,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};
use transport::logged::is_written;

use crate::{World, machine::current};

/// Lines that are kept of a run: the newest ones.
const MAX_LINES: usize = 10_000;

/// Bytes that a line may have; the rest is cut off.
const MAX_LINE_BYTES: usize = 500;

/// A line that a program has logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The machine on which the program runs.
    pub machine: Arc<str>,
    /// Simulated time since the world began.
    pub at: Duration,
    /// How bad it is: `ERROR`, `WARN` or `INFO`.
    pub level: &'static str,
    /// The message, and its fields after it: `failed to send destination=b`.
    pub text: String,
}

/// A line, with the index of its machine.
type Caught = (usize, Duration, &'static str, String);

/// Catches what the tasks of machines log on this thread.
#[derive(Clone, Default)]
pub(crate) struct Listener {
    began: Arc<Mutex<Option<Instant>>>,
    lines: Arc<Mutex<VecDeque<Caught>>>,
}

impl Listener {
    /// Listens while `run` runs.
    pub(crate) fn listen<T>(&self, run: impl FnOnce() -> T) -> T {
        dispatcher::with_default(&Dispatch::new(self.clone()), run)
    }

    /// Tells when the world began.
    pub(crate) fn begin(&self, world: &World) {
        *lock(&self.began) = Some(world.shared.lock().start());
    }

    /// Returns what was caught.
    pub(crate) fn take(&self, world: &World) -> Vec<LogLine> {
        let lines = std::mem::take(&mut *lock(&self.lines));
        let state = world.shared.lock();
        let line = |(machine, at, level, text): Caught| {
            let machine = Arc::clone(&state.machines.get(machine)?.name);
            Some(LogLine { machine, at, level, text })
        };
        lines.into_iter().filter_map(line).collect()
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_written(metadata, LevelFilter::INFO)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let (Some(current), Some(began)) = (current::get(), *lock(&self.began)) else { return };
        let mut line = Line::default();
        event.record(&mut line);
        let caught =
            (current.machine, began.elapsed(), event.metadata().level().as_str(), line.text());
        let mut lines = lock(&self.lines);
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(caught);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// What an event says.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn text(self) -> String {
        let mut text = format!("{}{}", self.message, self.fields).trim().to_owned();
        text.truncate(text.floor_char_boundary(MAX_LINE_BYTES));
        text
    }

    fn take(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            // Writing to a text cannot fail.
            write!(self.fields, " {field}={value}").unwrap_or_default();
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, &format!("{value:?}"));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

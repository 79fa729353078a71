//! The log of a process: a line on standard error for each record, whatever others put into it; and,
//! for programs, a line of JSON for each event.

use std::{
    fmt::{self, Write as _},
    fs::File,
    io::{self, Write},
    path::Path,
    time::SystemTime,
};

use serde_json::{Map, Value};
use tracing::{Event, Subscriber, field};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, filter_fn},
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

use crate::Lock;

/// Logs records of this level and above from now on. There are no colors: what a terminal takes for
/// a color, a file keeps as litter.
pub fn begin(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_writer(|| OneLine(io::stderr()))
        .with_ansi(false)
        .with_max_level(level)
        .init();
}

/// Does the same for records of other targets than `target`; those are events, and are appended to the
/// file at `path`, if there is one, a line of JSON for each.
///
/// # Errors
/// The file cannot be opened; nothing is logged then.
pub fn begin_with_events(
    level: LevelFilter,
    target: &'static str,
    path: Option<&Path>,
) -> io::Result<()> {
    let open =
        |path: &Path| {
            File::options().create(true).append(true).open(path).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })
        };
    let file = path.map(open).transpose()?;
    let events = file.map(|file| {
        let lines = JsonLines { file: Lock::new(file) };
        lines.with_filter(filter_fn(move |about| about.target() == target))
    });
    let records = tracing_subscriber::fmt::layer()
        .with_writer(|| OneLine(io::stderr()))
        .with_ansi(false)
        .with_filter(filter_fn(move |about| about.target() != target && *about.level() <= level));
    tracing_subscriber::registry().with(events).with(records).init();
    Ok(())
}

/// Appends events to a file.
struct JsonLines {
    file: Lock<File>,
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(Map::new());
        #[expect(clippy::disallowed_methods, reason = "this is where the real clock enters")]
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        fields.0.insert("time_ms".to_owned(), now_ms.into());
        event.record(&mut fields);
        let line = Value::Object(fields.0).to_string() + "\n";
        if let Err(error) = self.file.lock().write_all(line.as_bytes()) {
            writeln!(io::stderr(), "failed to write to the log of events: {error}").ok();
        }
    }
}

struct Fields(Map<String, Value>);

impl field::Visit for Fields {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &field::Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &field::Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &field::Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &field::Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

/// Writes each record as one line: control characters within it, which come from others, are escaped.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let (text, end) = match record.strip_suffix(b"\n") {
            Some(text) => (text, "\n"),
            None => (record, ""),
        };
        let mut line = String::with_capacity(record.len());
        for c in String::from_utf8_lossy(text).chars() {
            if c.is_control() {
                write!(line, "{}", c.escape_default()).map_err(io::Error::other)?;
            } else {
                line.push(c);
            }
        }
        line.push_str(end);
        self.0.write_all(line.as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_begins_no_line_and_moves_no_cursor() {
        let mut log = Vec::new();
        let said = "it said: \"\n2026 ERROR all is lost\" \x1b[31m\u{9b}2J\r\n";
        OneLine(&mut log).write_all(said.as_bytes()).unwrap();
        let shown = r#"it said: "\n2026 ERROR all is lost" \u{1b}[31m\u{9b}2J\r"#;
        assert_eq!(String::from_utf8(log).unwrap(), format!("{shown}\n"));
    }
}

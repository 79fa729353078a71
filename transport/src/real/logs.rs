//! The log of a process: a line on standard error for each record, for people or for programs, whatever
//! others put into it; and a file of events, a line of JSON for each.

use std::{
    fmt::{self, Write as _},
    fs::File,
    io::{self, Write},
    path::Path,
    str::FromStr,
    time::SystemTime,
};

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};
use tracing::{Event, Subscriber, field};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, filter_fn},
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::{Lock, logged::is_written};

/// How a record is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: `2026-11-29T15:46:31Z INFO homeserver: text field=value`.
    #[default]
    Text,
    /// For programs: an object of `timestamp`, `level`, `target` and `fields`, of which `message` is the
    /// text.
    Json,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json"),
        }
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Logs records of this level and above from now on. There are no colors: what a terminal takes for
/// a color, a file keeps as litter.
pub fn begin(level: LevelFilter, format: Format) {
    let filter = filter_fn(move |about| is_written(about, level)).with_max_level_hint(level);
    let records = records(format).with_filter(filter);
    tracing_subscriber::registry().with(records).init();
}

/// Returns what writes records to standard error.
fn records<S>(format: Format) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    records_to(format, io::stderr)
}

/// Returns what writes records to where `writer` says.
fn records_to<S, W>(
    format: Format,
    writer: impl Fn() -> W + Send + Sync + 'static,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: Write + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(move || OneLine { to: writer(), format })
        .with_ansi(false);
    match format {
        Format::Text => layer.boxed(),
        Format::Json => layer.json().with_current_span(false).with_span_list(false).boxed(),
    }
}

/// Does the same for records of other targets than `target`; those are events, and are appended to the
/// file at `path`, if there is one, a line of JSON for each.
///
/// # Errors
/// The file cannot be opened; nothing is logged then.
pub fn begin_with_events(
    level: LevelFilter,
    format: Format,
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
    let filter = filter_fn(move |about| about.target() != target && is_written(about, level));
    let records = records(format).with_filter(filter.with_max_level_hint(level));
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
struct OneLine<W> {
    to: W,
    format: Format,
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let (text, end) = match record.strip_suffix(b"\n") {
            Some(text) => (text, "\n"),
            None => (record, ""),
        };
        let mut line = String::with_capacity(record.len());
        for c in String::from_utf8_lossy(text).chars() {
            match self.format {
                _ if !c.is_control() => line.push(c),
                Format::Text => {
                    write!(line, "{}", c.escape_default()).map_err(io::Error::other)?;
                }
                // JSON leaves those alone that are no ASCII, within its strings.
                Format::Json => {
                    write!(line, "\\u{:04x}", u32::from(c)).map_err(io::Error::other)?;
                }
            }
        }
        line.push_str(end);
        self.to.write_all(line.as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    /// Where a test's records go.
    #[derive(Clone, Default)]
    struct Kept(Arc<Lock<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `said` by another server becomes in a log.
    fn logged(format: Format, said: &str) -> String {
        let kept = Kept::default();
        let to = kept.clone();
        let log = tracing_subscriber::registry().with(records_to(format, move || to.clone()));
        tracing::subscriber::with_default(log, || tracing::info!(error = said, "it refused"));
        String::from_utf8(kept.0.lock().clone()).unwrap()
    }

    const SAID: &str = "\"\n2026 ERROR all is lost\" \x1b[31m\u{9b}2J\r\n";

    #[test]
    fn what_others_say_begins_no_line_and_moves_no_cursor() {
        for format in [Format::Text, Format::Json] {
            let log = logged(format, SAID);
            assert_eq!(log.lines().count(), 1, "{log}");
            assert!(!log.trim_end().contains(char::is_control), "{log:?}");
        }
        assert!(logged(Format::Text, "plainly").contains("INFO"));
    }

    #[test]
    fn what_others_tell_of_their_inner_workings_is_written_to_who_debugs() {
        let told = |level: LevelFilter| {
            let seen = Arc::new(AtomicUsize::new(0));
            let counting = Counting(Arc::clone(&seen));
            let filter = filter_fn(move |about| is_written(about, level));
            let subscriber = tracing_subscriber::registry().with(counting.with_filter(filter));
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(target: "ruma_state_res::event_auth", "allowing event");
                tracing::warn!(target: "ruma_state_res::event_auth", "power levels are no object");
                tracing::info!("ready");
            });
            seen.load(Ordering::Relaxed)
        };
        assert_eq!([LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG].map(told), [1, 2, 3]);
    }

    struct Counting(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Counting {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_record_for_programs_says_the_very_text() {
        let record: Value = serde_json::from_str(&logged(Format::Json, SAID)).unwrap();
        assert_eq!(record["fields"]["error"], SAID);
        assert_eq!(record["fields"]["message"], "it refused");
        assert_eq!((&record["level"], &record["target"]), (&"INFO".into(), &module_path!().into()));
        assert!(record["timestamp"].is_string());
    }
}

//! Prometheus' text format (prometheus.io, "Exposition formats").

use std::fmt::{Display, Write};

use crate::http::{BOUNDS_MS, CLASSES, Counted};

/// What Prometheus takes its text format for: the value of `Content-Type`.
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text of all metrics. Each begins with its name; its values follow.
#[derive(Debug, Default)]
pub struct Text {
    /// What the names of all metrics begin with.
    server: &'static str,
    written: String,
    /// The name of the metric that was begun last.
    name: String,
    /// What was written of the metrics that have values of several APIs.
    traffic: [String; 5],
}

/// The metrics of an API: name after that of the server, what it is, and what it means.
const TRAFFIC: [(&str, &str, &str); 5] = [
    ("answers_total", "counter", "Requests answered, by the class of their status."),
    ("answer_seconds", "histogram", "How long answers took, long polls too."),
    ("open_connections", "gauge", "Connections that are open."),
    ("connections_total", "counter", "Connections that were taken."),
    ("gave_way_total", "counter", "Connections that were closed for others."),
];

impl Text {
    /// Returns a text without metrics, of a server whose metrics' names begin with `server`.
    pub fn of(server: &'static str) -> Self {
        Self { server, ..Self::default() }
    }

    /// Begins a metric that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str) {
        self.begin(name, "gauge", help);
    }

    /// Begins a metric that only goes up, until the server is started anew.
    pub fn counter(&mut self, name: &str, help: &str) {
        self.begin(name, "counter", help);
    }

    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        self.name = format!("{}_{name}", self.server);
        self.written.push_str(&head(&self.name, kind, help));
    }

    /// Writes a value of the metric that was begun last.
    pub fn value(&mut self, labels: &str, value: impl Display) {
        self.written.push_str(&line(&self.name, labels, &value));
    }

    /// Writes what an API has done.
    pub fn traffic(&mut self, api: &str, counted: &Counted) {
        let api = label("api", api);
        let names = TRAFFIC.map(|(name, ..)| format!("{}_{name}", self.server));
        let [answers, seconds, open, accepted, gave_way] = &mut self.traffic;
        for class in 0..CLASSES {
            let labels = format!("{api},{}", label("status", &format!("{}xx", class + 1)));
            answers.push_str(&line(&names[0], &labels, &counted.by_class[class]));
        }
        seconds.push_str(&histogram(&names[1], &api, counted));
        open.push_str(&line(&names[2], &api, &counted.open));
        accepted.push_str(&line(&names[3], &api, &counted.accepted));
        gave_way.push_str(&line(&names[4], &api, &counted.gave_way));
    }

    /// Returns all of it: values of one metric stand together.
    pub fn finish(self) -> String {
        let traffic = TRAFFIC.iter().zip(&self.traffic);
        traffic.fold(self.written, |text, ((name, kind, help), values)| {
            text + &head(&format!("{}_{name}", self.server), kind, help) + values
        })
    }
}

fn head(name: &str, kind: &str, help: &str) -> String {
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
}

fn line(name: &str, labels: &str, value: &dyn Display) -> String {
    if labels.is_empty() {
        return format!("{name} {value}\n");
    }
    format!("{name}{{{labels}}} {value}\n")
}

/// Returns a label and its value.
pub fn label(name: &str, value: &str) -> String {
    let mut text = format!("{name}=\"");
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

fn histogram(name: &str, labels: &str, counted: &Counted) -> String {
    let mut text = String::new();
    let mut sum = 0;
    let bounds = BOUNDS_MS.iter().map(|ms| seconds(*ms)).chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(counted.by_duration) {
        sum += count;
        let labels = format!("{labels},{}", label("le", &bound));
        text.push_str(&line(&format!("{name}_bucket"), &labels, &sum));
    }
    text.push_str(&line(&format!("{name}_sum"), labels, &seconds(counted.duration_ms)));
    text.push_str(&line(&format!("{name}_count"), labels, &sum));
    text
}

/// Returns milliseconds in seconds.
fn seconds(ms: u64) -> String {
    let (whole, rest) = (ms / 1000, ms % 1000);
    let mut text = whole.to_string();
    if rest > 0 {
        write!(text, ".{rest:03}").expect("a string takes every write");
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up_and_values_of_one_metric_stand_together() {
        let mut counted = Counted { duration_ms: 1250, ..Counted::default() };
        (counted.by_duration[0], counted.by_duration[10], counted.by_class[1]) = (3, 1, 4);
        let mut text = Text::of("homeserver");
        text.traffic("a", &counted);
        text.traffic("b", &counted);
        let text = text.finish();
        for line in [
            "homeserver_answers_total{api=\"a\",status=\"2xx\"} 4",
            "homeserver_answer_seconds_bucket{api=\"a\",le=\"0.005\"} 3",
            "homeserver_answer_seconds_bucket{api=\"b\",le=\"+Inf\"} 4",
            "homeserver_answer_seconds_sum{api=\"b\"} 1.25",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
        assert_eq!(text.matches("# TYPE homeserver_answers_total counter").count(), 1);
    }

    #[test]
    fn what_others_chose_cannot_end_a_label() {
        assert_eq!(label("a", "b\"} 1\n\\"), r#"a="b\"} 1\n\\""#);
    }
}

//! What other tools read: as it is, and by a reader that is not ours where there is one.

use std::collections::BTreeMap;

use reports::{NoJournal, Source, dot, junit, mermaid, named, otlp, perfetto, shiviz};
use serde_json::Value;

use crate::sample;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn markdown_shows_verdict_checks_and_a_sequence() {
    let text = mermaid::render(&sample::talk());
    let end = text.find("<details>").expect("the whole report is folded away");
    insta::assert_snapshot!(&text[..end]);
}

#[test]
fn junit_has_a_case_for_each_check_as_another_parser_reads_it() {
    let record = sample::talk();
    let report = junit_parser::from_reader(junit::render(&record).as_bytes()).expect("JUnit XML");
    let suite = &report.suites[0];
    assert_eq!((report.tests, report.failures, suite.errors), (3, 1, 0));
    let failed = suite.cases.iter().find(|case| case.status.is_failure()).expect("one failed");
    assert_eq!(failed.original_name, "all-or-nothing");
    let message = &failed.status.failure_as_ref().message;
    assert_eq!(message, "alice/1 saw m1, and b never stored it");
    insta::assert_snapshot!(junit::render(&record));
}

#[test]
fn junit_says_of_a_pass_that_it_proves_less() {
    let xml = junit::render(&sample::weak());
    let report = junit_parser::from_reader(xml.as_bytes()).expect("JUnit XML");
    let of_run = report.suites[0].cases.iter().find(|case| case.original_name == "run");
    assert!(of_run.expect("a case for the run").status.is_skipped());
    assert!(xml.contains("it proves less"), "{xml}");
}

#[test]
fn junit_takes_what_xml_cannot_have() {
    let mut record = sample::talk();
    record.checks[0].sentence = Some("\u{1b}[31m<&\"]]>\u{0}".to_owned());
    junit_parser::from_reader(junit::render(&record).as_bytes()).expect("JUnit XML");
}

#[test]
fn slices_of_a_thread_never_overlap_and_each_flow_ends_where_it_is_served() {
    let trace = parsed(&perfetto::render(&sample::talk()));
    let events = trace["traceEvents"].as_array().expect("events");
    let number = |event: &Value, key: &str| event[key].as_u64().expect("a number");
    let mut busy: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for slice in events.iter().filter(|event| event["ph"] == "X") {
        let until = busy.entry((number(slice, "pid"), number(slice, "tid"))).or_default();
        assert!(number(slice, "ts") >= *until, "{slice}");
        *until = number(slice, "ts") + number(slice, "dur");
    }
    let of = |phase: &str| events.iter().filter(|event| event["ph"] == *phase).count();
    assert_eq!((of("s"), of("f")), (2, 2), "the request that was lost was served by nobody");
}

#[test]
fn a_trace_has_the_violation_and_every_machine() {
    insta::assert_snapshot!(perfetto::render(&sample::talk()));
}

#[test]
fn a_message_is_one_trace_whose_spans_have_their_parents() {
    let text = otlp::render(&sample::talk());
    insta::assert_snapshot!(text);
    let traces = parsed(&text);
    let resources = traces["resourceSpans"].as_array().expect("resources");
    let spans = |it: &Value| it["scopeSpans"][0]["spans"].as_array().expect("spans").clone();
    let spans: Vec<Value> = resources.iter().flat_map(spans).collect();
    assert!(spans.iter().all(|span| span["traceId"] == spans[0]["traceId"]));
    let ids: Vec<&Value> = spans.iter().map(|span| &span["spanId"]).collect();
    let parents = spans.iter().filter_map(|span| span.get("parentSpanId"));
    assert_eq!(parents.inspect(|parent| assert!(ids.contains(parent))).count(), 3);
    let lost = spans.iter().filter(|span| span["status"]["code"] == 2).count();
    assert_eq!((spans.len(), lost), (5, 1));
}

#[test]
fn clocks_grow_along_causes() {
    insta::assert_snapshot!(shiviz::render(&sample::talk()));
}

#[test]
fn a_format_that_shows_bodies_says_that_it_needs_the_journal() {
    let record = sample::talk();
    for format in ["pcap", "dot"] {
        let renderer = named(format).expect("it is known");
        assert_eq!(renderer.files(&Source::of(&record)), Err(NoJournal { format }));
    }
    assert_eq!(dot::RENDERER.name, "dot");
}

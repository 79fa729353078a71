//! The page about a run, and the one about many.

use checks::{Record, record::Verdict};
use reports::{Source, html, index};

use crate::sample;

fn page(record: &Record) -> String {
    html::render(&Source::of(record))
}

#[test]
fn a_page_is_the_same_for_the_same_record() {
    let record = sample::talk();
    assert_eq!(page(&record), page(&record.clone()));
}

#[test]
fn what_a_page_says_of_a_failing_run() {
    let page = page(&sample::talk());
    let body =
        &page[page.find("<body>").expect("a body")..page.find("<script>").expect("a script")];
    insta::assert_snapshot!(body.replace("><", ">\n<"));
}

#[test]
fn text_from_outside_never_becomes_markup() {
    const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;]]>";
    let mut record = sample::talk();
    record.scenario.name = HOSTILE.to_owned();
    record.scenario.about = HOSTILE.to_owned();
    record.scenario.text = HOSTILE.to_owned();
    record.checks[0].sentence = Some(HOSTILE.to_owned());
    record.checks[1].name = HOSTILE.to_owned();
    record.faults[0].what = HOSTILE.to_owned();
    record.messages[0].id = HOSTILE.to_owned();
    record.messages[0].copies[0].device = HOSTILE.to_owned();
    record.nodes[0].name = HOSTILE.to_owned();
    for event in &mut record.events {
        (event.what, event.node) = (HOSTILE.to_owned(), HOSTILE.to_owned());
        (event.message, event.result) = (Some(HOSTILE.to_owned()), Some(HOSTILE.to_owned()));
    }
    let pages = [page(&record), index::render(&[index::Row::of(&record, Some(HOSTILE))], 1)];
    for page in pages {
        assert_eq!(page.matches("<script").count(), 1, "its own");
        assert!(!page.contains("<img") && !page.contains("\"'>") && !page.contains("]]>\""));
        assert!(page.contains("&lt;script&gt;alert(1)"), "it is shown");
    }
}

#[test]
fn no_page_asks_anybody_for_anything() {
    let page = page(&sample::talk());
    assert!(page.contains("default-src 'none'; style-src 'sha256-"));
    for asking in ["http://", "https://", "//cdn", "@import", "src=", "<link", "<iframe", "<base"] {
        assert!(!page.contains(asking), "{asking}");
    }
}

#[test]
fn lost_requests_faults_and_the_violation_are_drawn() {
    let page = page(&sample::talk());
    let drawn = [
        ("class=\"leg lost\"", 2),
        ("<path class=\"cross\"", 2),
        ("<circle class=\"violation\"", 2),
        ("class=\"mark seen\"", 1),
        ("class=\"mark gone\"", 1),
    ];
    for (what, at_least) in drawn {
        assert!(page.matches(what).count() >= at_least, "{what}");
    }
}

#[test]
fn what_is_late_what_is_held_and_who_is_down_are_told_apart() {
    let drawn = |fault: &str| {
        let mut record = sample::talk();
        // The request to c, and all after it, comes three seconds later.
        record.events[7..].iter_mut().for_each(|event| event.at_ns += 3_000_000_000);
        (record.faults[0].from_ns, record.faults[0].until_ns) = (Some(0), Some(4_000_000_000));
        record.faults[0].what = fault.to_owned();
        record.events[5].what = fault.to_owned();
        record.events[14].what = fault.to_owned();
        page(&record)
    };
    let (late, held, down) = (drawn("partition a | b"), drawn("hold a -> c"), drawn("crash b"));
    let (bar, shade) = ("class=\"bar\"", "<title>crash b</title>");
    for page in [&late, &held] {
        assert!(page.contains("class=\"leg late\"") && page.contains("arrived 3.005s later"));
    }
    assert!(held.contains(bar) && !late.contains(bar));
    assert!(down.contains(shade) && !late.contains(shade));
}

#[test]
fn a_large_run_says_where_drawing_stops_and_what_has_the_rest() {
    let mut record = sample::talk();
    let exchange: Vec<_> = record.events[6..10].to_vec();
    for round in 1..=3_000_u64 {
        for event in &exchange {
            let mut event = event.clone();
            let (n, request) = (event.n + round * 20, 7 + round * 20);
            (event.n, event.line) = (n, format!("{{\"request\":{request}}}"));
            record.events.push(event);
        }
    }
    let page = page(&record);
    assert!(page.contains("Drawing stops here: 5,000 of 6,005 arrows are drawn."));
    assert!(page.contains("fedsim report . --format perfetto"));
    assert!(page.contains("Entries 1 to 49,"), "the journal has a limit, too");
}

#[test]
fn a_page_shows_what_shrinking_left() {
    let record = sample::talk();
    let shrunk = Some("# without the cut, it holds\nname = \"small\"");
    let page = html::render(&Source { record: &record, recording: None, shrunk });
    assert!(page.contains("# without the cut, it holds"));
}

#[test]
fn equal_failures_stand_together_on_the_page_about_many_runs() {
    let row = |seed: u64, device: &str, verdict| {
        let mut record = sample::fail();
        (record.seed, record.verdict) = (seed, verdict);
        record.nodes.extend(sample::talk().nodes);
        let sentence = format!("{device} saw m1, and b never stored it");
        record.checks[0].sentence = Some(sentence);
        index::Row::of(&record, Some(&format!("run-{seed}")))
    };
    let rows = [
        row(1, "alice/1", Verdict::Fail),
        row(2, "bob/1", Verdict::Fail),
        row(3, "bob/1", Verdict::Pass),
    ];
    let page = index::render(&rows, 3);
    assert!(page.contains("2 runs failed, in one kind."), "{page}");
    let kind =
        "all-or-nothing: &lt;device&gt; saw &lt;message&gt;, and &lt;backend&gt; never stored it";
    assert_eq!(page.matches(&format!("<h3>{kind}")).count(), 1);
    assert!(page.contains("href=\"./run-2/report.html\""));
}

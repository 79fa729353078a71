//! A campaign as a page that needs nothing else.

use maud::{Markup, html};

use super::{Failure, Told, Trouble, Worker, curve::curve};
use crate::{
    html::frame,
    line::Status,
    time::coarse,
    words::{count, grouped},
};

/// The most kinds of failures that are shown.
const MOST_FAILURES: usize = 200;
/// The most workers, scenarios and troubles that are shown.
const MOST_ROWS: usize = 500;

/// Returns the page.
pub fn render(told: &Told) -> String {
    let (class, sign) = match told.status {
        Status::Pass => ("pass", "✓"),
        Status::Fail => ("fail", "✕"),
        Status::Warn => ("warn", "!"),
        Status::Unknown => ("unknown", "?"),
    };
    let body = html! {
        header.top {
            p.over { "fedsim campaign" }
            h1 { (told.id) }
            p.facts { (count(told.runs(), "runs")) ", " (coarse(told.simulated_ns)) " simulated, build " code { (told.build) } }
        }
        main {
            section.verdict.(class) id="verdict" aria-label="Verdict" {
                p.word { span aria-hidden="true" { (sign) } " " (told.status.word()) }
                p.sentence { (told.sentence) }
                ul {
                    @for fact in &told.facts { li { (fact) } }
                    @match &told.canary {
                        Some((_, canary)) => li { (canary) },
                        None => li { "No canary: this campaign planted no known defect, so nothing shows that it finds one." },
                    }
                }
            }
            @if !told.troubles.is_empty() {
                (section("troubles", "What is wrong with the campaign", &troubles(&told.troubles)))
            }
            @if !told.failures.is_empty() {
                (section("failures", "Failures", &failures(&told.failures)))
            }
            (section("course", "How it went", &course(told)))
            (section("workers", "Workers", &workers(&told.workers)))
            (section("scenarios", "Scenarios", &scenarios(told)))
        }
    };
    frame::page(&format!("fedsim campaign {}", told.id), &body)
}

fn section(id: &str, title: &str, body: &Markup) -> Markup {
    html! { details.section id=(id) open { summary { h2 { (title) } } (body) } }
}

fn troubles(troubles: &[Trouble]) -> Markup {
    html! {
        @for trouble in troubles.iter().take(MOST_ROWS) {
            h3 { (trouble.name) }
            p { (trouble.sentence) }
            (command(&trouble.again))
        }
        (more(troubles.len(), MOST_ROWS))
    }
}

fn failures(failures: &[Failure]) -> Markup {
    html! {
        @for failure in failures.iter().take(MOST_FAILURES) {
            h3 { @match &failure.page { Some(page) => a href=(page) { (failure.check) }, None => (failure.check) } }
            @if failure.story.is_empty() { p { (failure.sentence) "." } }
            @for line in &failure.story { p.story { (line) } }
            p.hint { (count(failure.runs, "runs")) "; " (failure.found) }
            (command(&failure.again))
        }
        (more(failures.len(), MOST_FAILURES))
    }
}

fn command(text: &str) -> Markup {
    html! { dl.commands { div { dt { "play it again" } dd { code.command tabindex="0" { (text) } } } } }
}

fn course(told: &Told) -> Markup {
    let pictures = [
        curve(&told.curve, "Situations of the protocol that were reached", |it| it.situations),
        curve(&told.curve, "Runs", |it| it.runs),
    ];
    html! {
        @if pictures.iter().all(Option::is_none) { p.hint { "Nothing is done yet." } }
        div.curves { @for picture in pictures.iter().flatten() { (picture) } }
    }
}

fn workers(workers: &[Worker]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Workers" {
            table {
                thead { tr { th { "worker" } th.num { "threads" } th.num { "blocks" } th.num { "runs" } th.num { "runs/s" } th { "state" } } }
                tbody {
                    @for worker in workers.iter().take(MOST_ROWS) {
                        tr {
                            th scope="row" { (worker.name) }
                            td.num { (worker.threads) }
                            td.num { (grouped(worker.blocks)) }
                            td.num { (grouped(worker.runs)) }
                            td.num { (worker.tenths / 10) "." (worker.tenths % 10) }
                            td { (worker.state) }
                        }
                    }
                }
            }
        }
        (more(workers.len(), MOST_ROWS))
    }
}

fn scenarios(told: &Told) -> Markup {
    let bred = told.runs().saturating_sub(told.scenarios.iter().map(|(_, runs)| runs).sum());
    html! {
        div.scroll tabindex="0" role="region" aria-label="Scenarios" {
            table {
                thead { tr { th { "scenario" } th.num { "runs" } } }
                tbody {
                    @for (name, runs) in told.scenarios.iter().take(MOST_ROWS) {
                        tr { th scope="row" { (name) } td.num { (grouped(*runs)) } }
                    }
                    @if bred > 0 { tr { th scope="row" { "changed scenarios" } td.num { (grouped(bred)) } } }
                }
            }
        }
        (more(told.scenarios.len(), MOST_ROWS))
    }
}

fn more(count: usize, most: usize) -> Markup {
    html! { @if count > most { p.hint { "and " (grouped((count - most) as u64)) " more" } } }
}

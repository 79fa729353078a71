//! The scenario as text, and what shrinking left of it.

use maud::{Markup, html};

use super::Run;

pub(super) fn section(run: &Run<'_>) -> Markup {
    let scenario = &run.record.scenario;
    html! {
        @if let Some(shrunk) = run.shrunk {
            h3 { "Made smaller" }
            p { "The smallest scenario found that still violates the same check:" }
            pre.copied tabindex="0" aria-label="The scenario made smaller" { (shrunk) }
            h3 { "As it was run" }
        }
        @if let Some(file) = &scenario.file { p.hint { "from " code { (file) } } }
        pre.copied tabindex="0" aria-label="The scenario" { (scenario.text) }
        p.hint {
            (run.record.program.name) " " (run.record.program.version) "; hash of the journal "
            code { (run.record.log_hash) }
        }
    }
}

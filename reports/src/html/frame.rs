//! What is around the sections of a page: style, script, and the policy that forbids every request.

use base64::{Engine, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

/// The style of every page.
const STYLE: &str = include_str!("style.css");

/// The script of every page, without which it is complete. `reports/web` has its source in TypeScript; a
/// test says that this is what comes of it, and others drive it in a real browser.
const SCRIPT: &str = include_str!("../../built/script.js");

/// Returns a whole page. Its policy allows this style and this script, by their hashes, and nothing
/// else: no request, no form, no frame, no style or script that came in with a text.
pub(crate) fn page(title: &str, body: &Markup) -> String {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#verdict" { "Skip to the verdict" }
                (body)
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string() + "\n"
}

/// Returns the hash of an inline style or script, as Content Security Policy has it.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

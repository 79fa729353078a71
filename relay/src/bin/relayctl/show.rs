//! `relayctl` with a running relay: what is asked, and how the answer is shown.

use std::fmt::Write as _;

use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    Trouble,
    commands::{Destinations, Purge, Quarantine, Running},
    remote::{Access, Remote, segment},
};

/// Pages asked for by one command; more is cut off, and said so.
const MAX_PAGES: usize = 1000;

/// Does what an operator asks; returns what is printed.
pub(crate) async fn act(access: Access, command: Running, json: bool) -> Result<String, Trouble> {
    let remote = Remote::new(access)?;
    let answer = answer(&remote, &command).await?;
    Ok(if json { format!("{answer:#}\n") } else { shown(&command, &answer) })
}

async fn answer(remote: &Remote, command: &Running) -> Result<Value, Trouble> {
    let (method, path, body) = match command {
        Running::Status => return pages(remote, "status", "destinations").await,
        Running::List { destination } => {
            let path = format!("destinations/{}/entries", segment(destination.as_str()));
            return pages(remote, &path, "entries").await;
        }
        Running::Quarantine(Quarantine::List) => {
            return pages(remote, "quarantine", "entries").await;
        }
        Running::Enable => (Method::PUT, "relaying".to_owned(), Some(json!({ "enabled": true }))),
        Running::Disable => (Method::PUT, "relaying".to_owned(), Some(json!({ "enabled": false }))),
        Running::Show { entry } => (Method::GET, format!("entries/{entry}"), None),
        Running::Drop { entry } => (Method::DELETE, format!("entries/{entry}"), None),
        Running::Requeue { entry } => (Method::POST, format!("entries/{entry}/requeue"), None),
        Running::Purge(purge) => (Method::POST, "purge".to_owned(), Some(purged(purge))),
        Running::Quarantine(Quarantine::Show { entry }) => {
            (Method::GET, format!("quarantine/{entry}"), None)
        }
        Running::Quarantine(Quarantine::Release { entry }) => {
            (Method::POST, format!("quarantine/{entry}/release"), None)
        }
        Running::Quarantine(Quarantine::Drop { entry }) => {
            (Method::DELETE, format!("quarantine/{entry}"), None)
        }
        Running::Block { origin, reason } => {
            let path = format!("blocks/{}", segment(origin.as_str()));
            (Method::PUT, path, Some(json!({ "reason": reason })))
        }
        Running::Unblock { origin } => {
            (Method::DELETE, format!("blocks/{}", segment(origin.as_str())), None)
        }
        Running::Blocks => (Method::GET, "blocks".to_owned(), None),
        Running::Quotas { changes } if changes.is_empty() => {
            (Method::GET, "quotas".to_owned(), None)
        }
        Running::Quotas { changes } => {
            (Method::PUT, "quotas".to_owned(), Some(quota_changes(changes)?))
        }
        Running::Destinations(command) => {
            let path = "destinations".to_owned();
            match command {
                Destinations::List => (Method::GET, path, None),
                Destinations::Set { destinations } => {
                    (Method::PUT, path, Some(json!({ "destinations": destinations })))
                }
                Destinations::Reset => (Method::PUT, path, Some(json!({ "destinations": null }))),
            }
        }
    };
    remote.ask(method, &path, body).await
}

/// Returns the first page, with the rows of all others in its `rows`.
async fn pages(remote: &Remote, path: &str, rows: &str) -> Result<Value, Trouble> {
    let mut first = remote.ask(Method::GET, path, None).await?;
    for _ in 0..MAX_PAGES {
        let Some(next) = first.get("next").cloned() else { return Ok(first) };
        let next = next.as_str().map_or_else(|| next.to_string(), segment);
        let page = remote.ask(Method::GET, &format!("{path}?after={next}"), None).await?;
        let more = page[rows].as_array().cloned().unwrap_or_default();
        if let Some(all) = first[rows].as_array_mut() {
            all.extend(more);
        }
        match page.get("next") {
            Some(next) => first["next"] = next.clone(),
            None => first.as_object_mut().map_or((), |first| drop(first.remove("next"))),
        }
    }
    Ok(first)
}

fn purged(purge: &Purge) -> Value {
    let older_than_ms =
        purge.older_than.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    json!({
        "destination": purge.destination,
        "origin": purge.origin.as_ref().map(|origin| origin.host()),
        "older_than_ms": older_than_ms,
        "dry_run": purge.dry_run,
    })
}

fn quota_changes(changes: &[String]) -> Result<Value, Trouble> {
    let mut asked = Map::new();
    for change in changes {
        let wrong = || Trouble::Mistake(format!("{change} is not KEY=NUMBER, or KEY= to go back"));
        let (key, value) = change.split_once('=').ok_or_else(wrong)?;
        let value = if value.is_empty() {
            Value::Null
        } else {
            value.parse::<u64>().map_err(|_| wrong())?.into()
        };
        asked.insert(key.to_owned(), value);
    }
    Ok(asked.into())
}

fn shown(command: &Running, answer: &Value) -> String {
    match command {
        Running::Status => status(answer),
        Running::Enable | Running::Disable => {
            format!("relaying {}\n", on_or_off(&answer["enabled"]))
        }
        Running::List { .. } => rows(&answer["entries"], answer, "nothing waits there", |row| {
            let handouts = row["handouts"].as_u64().unwrap_or(0);
            let handed_out = match handouts {
                0 => String::new(),
                count => format!("\thanded out {count} times"),
            };
            format!(
                "{}\t{}\t{}\t{} bytes\t{}{handed_out}",
                row["entry_id"],
                text(&row["origin"]),
                text(&row["transaction_id"]),
                row["bytes"],
                age(&row["age_ms"])
            )
        }),
        Running::Quarantine(Quarantine::List) => {
            rows(&answer["entries"], answer, "nothing is set aside", |row| {
                format!(
                    "{}\tfor {}\tfrom {}\t{}\t{}",
                    row["entry_id"],
                    text(&row["destination"]),
                    text(&row["origin"]),
                    age(&row["age_ms"]),
                    text(&row["reason"])
                )
            })
        }
        Running::Show { .. } | Running::Quarantine(Quarantine::Show { .. }) => fields(answer),
        Running::Purge(Purge { dry_run: true, .. }) => {
            format!("{} entries, {} bytes would be deleted\n", answer["purged"], answer["bytes"])
        }
        Running::Purge(_) => format!("{} entries deleted\n", answer["purged"]),
        Running::Quarantine(Quarantine::Release { .. }) => match answer["entry_id"].as_i64() {
            Some(id) => format!("released as entry {id}\n"),
            None => "it had been left here again in the meantime, and waits\n".to_owned(),
        },
        Running::Drop { .. } | Running::Quarantine(Quarantine::Drop { .. }) => {
            "deleted\n".to_owned()
        }
        Running::Requeue { .. } => "queued again\n".to_owned(),
        Running::Block { origin, .. } => format!("{} may leave nothing\n", origin.host()),
        Running::Unblock { origin } => format!("{} may leave mail again\n", origin.host()),
        Running::Blocks => blocks(&answer["blocks"]),
        Running::Quotas { .. } => quotas(answer),
        Running::Destinations(_) => destinations(answer),
    }
}

fn status(answer: &Value) -> String {
    let head = format!(
        "relaying {}, {} entries, {} bytes, {} in quarantine",
        on_or_off(&answer["relaying"]),
        answer["entries"],
        answer["bytes"],
        answer["quarantined"]
    );
    let mailboxes = rows(&answer["destinations"], answer, "no mail waits for anybody", |row| {
        format!(
            "{}\t{} entries\t{} bytes\toldest {}",
            text(&row["destination"]),
            row["entries"],
            row["bytes"],
            age(&row["oldest_age_ms"])
        )
    });
    format!("{head}\n{mailboxes}")
}

fn blocks(blocks: &Value) -> String {
    let blocks = blocks.as_object().cloned().unwrap_or_default();
    if blocks.is_empty() {
        return "nobody is blocked\n".to_owned();
    }
    blocks.iter().fold(String::new(), |shown, (host, block)| {
        shown + &format!("{host}\t{}\n", text(&block["reason"]))
    })
}

fn quotas(answer: &Value) -> String {
    let quotas = answer.as_object().cloned().unwrap_or_default();
    quotas.iter().fold(String::new(), |shown, (key, quota)| {
        let set = if quota["at_run_time"] == true { "\tset at run time" } else { "" };
        shown + &format!("{key}\t{}{set}\n", quota["value"])
    })
}

fn destinations(answer: &Value) -> String {
    let set = if answer["at_run_time"] == true { " (set at run time)" } else { "" };
    let names = answer["destinations"].as_array().cloned().unwrap_or_default();
    if names.is_empty() {
        return format!("every destination is served{set}\n");
    }
    let names = names.iter().map(text).fold(String::new(), |shown, name| shown + &name + "\n");
    format!("served{set}:\n{names}")
}

/// Returns a line for each row, or `none`.
fn rows(rows: &Value, page: &Value, none: &str, line: impl Fn(&Value) -> String) -> String {
    let rows = rows.as_array().cloned().unwrap_or_default();
    if rows.is_empty() {
        return format!("({none})\n");
    }
    let mut shown = rows.iter().fold(String::new(), |shown, row| shown + &line(row) + "\n");
    if page.get("next").is_some() {
        shown.push_str("(there are more, which are left out)\n");
    }
    shown
}

fn fields(answer: &Value) -> String {
    let fields = answer.as_object().cloned().unwrap_or_default();
    let mut shown = String::new();
    for (name, value) in &fields {
        writeln!(shown, "{name}\t{}", text(value)).expect("a string takes every write");
    }
    shown
}

/// Returns a value without the quotes of a text, and without what could move a terminal's cursor.
fn text(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

fn on_or_off(value: &Value) -> &'static str {
    if *value == true { "on" } else { "off" }
}

fn age(ms: &Value) -> String {
    format!("{} s ago", ms.as_u64().unwrap_or(0) / 1000)
}

//! The language as a JSON schema (draft 7, which TOML editors know), for completion and checks while
//! one writes. It says what shape a file has; what the names in it refer to only reading it tells.

use serde_json::{Map, Value as Json, json};

use super::{
    faults::Listed,
    ops,
    reference::{FILE, Key, Value, kinds_of_faults},
};
use crate::vocabulary::{CheckKind, CheckName, Vocabulary};

/// What a duration looks like.
const DURATION: &str = r"^\s*[0-9]+(h|m|s|ms|us|ns)\s*([0-9]+(h|m|s|ms|us|ns)\s*)*$";

/// What a duration looks like that servers are configured with.
const MILLISECONDS: &str = r"^\s*([0-9]+(d|h|m|s|ms)\s*)+$";

/// What a size looks like.
const BYTES: &str = r"^\s*([0-9]+(GiB|MiB|KiB|GB|MB|kB|B)\s*)+$";

/// Returns the schema of the scenarios of the federation that has this vocabulary.
pub fn schema(vocabulary: &Vocabulary) -> Json {
    let own = FILE.iter().filter(|key| vocabulary.has_section(key.key));
    let mut schema = table(&own.copied().collect::<Vec<_>>(), vocabulary);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!(format!("A scenario of {}", vocabulary.program));
    schema
}

/// Returns the schema of a table.
fn table(keys: &[Key], vocabulary: &Vocabulary) -> Json {
    let properties: Map<String, Json> =
        keys.iter().map(|key| (key.key.to_owned(), property(key, vocabulary))).collect();
    let needed = keys.iter().filter(|key| key.default.is_none());
    let needed: Vec<&str> = needed.map(|key| key.key).collect();
    let mut table =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !needed.is_empty() {
        table["required"] = json!(needed);
    }
    table
}

/// Returns the schema of a table that has exactly one of some further keys.
fn with_one_of(keys: &[Key], kinds: &[Key], vocabulary: &Vocabulary) -> Json {
    let mut table = table(&[keys, kinds].concat(), vocabulary);
    table["oneOf"] = one_of(kinds.iter().map(|kind| kind.key));
    table
}

/// Returns that exactly one of these keys is there.
fn one_of<'k>(keys: impl Iterator<Item = &'k str>) -> Json {
    keys.map(|key| json!({ "required": [key] })).collect()
}

fn property(key: &Key, vocabulary: &Vocabulary) -> Json {
    let mut property = value(&key.value, vocabulary);
    let default = match key.default {
        None => " (required)".to_owned(),
        Some("") => String::new(),
        Some(default) => format!(" (default: {default})"),
    };
    property["description"] = json!(format!("{}{default}", capital(key.means)));
    property
}

fn value(value: &Value, vocabulary: &Vocabulary) -> Json {
    match value {
        Value::Text(_) => json!({ "type": "string" }),
        Value::Texts(_) => texts(&json!({ "type": "string" })),
        Value::Groups => json!({ "type": "array", "items": texts(&json!({ "type": "string" })) }),
        Value::Flag => json!({ "type": "boolean" }),
        Value::Whole(least, u64::MAX) => json!({ "type": "integer", "minimum": least }),
        Value::Whole(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Value::Number(least, f64::MAX) => json!({ "type": "number", "minimum": least }),
        Value::Number(least, most) => {
            json!({ "type": "number", "minimum": least, "maximum": most })
        }
        Value::Duration => duration(),
        Value::Milliseconds => amount(MILLISECONDS),
        Value::Bytes => amount(BYTES),
        Value::Range => {
            json!({ "type": "array", "items": duration(), "minItems": 2, "maxItems": 2 })
        }
        Value::Words(words) => json!({ "enum": words }),
        Value::Either(values) => {
            let values: Vec<Json> = values.iter().map(|it| self::value(it, vocabulary)).collect();
            json!({ "anyOf": values })
        }
        Value::Content => json!({ "type": "object" }),
        Value::Checks(kind) => texts(&json!({ "enum": checks(*kind, vocabulary.checks) })),
        Value::Endpoints => {
            let names: Vec<&str> = vocabulary.endpoints.iter().map(|(name, ..)| *name).collect();
            let name = json!({ "enum": names });
            json!({ "anyOf": [name, texts(&name)] })
        }
        Value::Table(keys) => table(keys, vocabulary),
        Value::OneOf(keys, kinds) => with_one_of(keys, kinds, vocabulary),
        Value::Named(keys) => {
            json!({ "type": "object", "additionalProperties": table(keys, vocabulary) })
        }
        Value::Operations(keys) => {
            let kinds: Vec<Key> = ops::LISTED.iter().map(Listed::as_key).collect();
            json!({ "type": "array", "items": with_one_of(keys, &kinds, vocabulary) })
        }
        Value::Faults(keys) => {
            let kinds: Vec<Key> = kinds_of_faults().iter().map(|kind| kind.as_key()).collect();
            let mut fault = with_one_of(keys, &kinds, vocabulary);
            // With an `allOf` beside its properties, Visual Studio Code's server for TOML offers none of them.
            fault["anyOf"] = json!([{ "required": ["at"] }, { "required": ["when"] }]);
            fault["not"] = json!({ "required": ["at", "when"] });
            json!({ "type": "array", "items": fault })
        }
    }
}

fn texts(item: &Json) -> Json {
    json!({ "type": "array", "items": item })
}

/// Returns the schema of an amount with units, or of a number of the smallest one.
fn amount(pattern: &str) -> Json {
    json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": pattern }] })
}

fn duration() -> Json {
    json!({ "type": "string", "pattern": DURATION })
}

fn checks(kind: Option<CheckKind>, checks: &[CheckName]) -> Vec<&str> {
    let meant = checks.iter().filter(|check| kind.is_none_or(|kind| kind == check.kind));
    meant.map(|check| check.name).collect()
}

/// Returns a sentence with its first letter in upper case.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{scenario::Delivery, vocabulary::HOMESERVERS};

    #[test]
    fn every_word_of_a_policy_is_in_the_schema() {
        let schema = schema(&HOMESERVERS).to_string();
        assert!(Delivery::WORDS.iter().all(|(word, _)| schema.contains(&format!("\"{word}\""))));
    }
}

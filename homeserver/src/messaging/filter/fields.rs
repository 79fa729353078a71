//! The parts of events that a client wants (client-server API, `event_fields`).

use serde::Deserialize;
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use super::Few;
use crate::messaging::field_path::FieldPath;

/// Which parts of events are wanted; all of them if nothing is said.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fields(Option<Few<FieldPath>>);

impl Fields {
    /// Returns what is wanted of an event in the client format.
    pub(crate) fn of(&self, event: Box<RawValue>) -> Box<RawValue> {
        let Some(paths) = &self.0 else { return event };
        let Ok(whole) = serde_json::from_str::<Value>(event.get()) else { return event };
        let mut wanted = Map::new();
        for path in &paths.0 {
            path.copy(&whole, &mut wanted);
        }
        to_raw_value(&wanted).unwrap_or(event)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_an_event_stays_what_the_paths_name() {
        let event = r#"{"type":"x","sender":"y","content":{"body":"z","a.b":{"c\\":1},"d":2}}"#;
        let picked = |paths: &str| -> Value {
            let fields: Fields = serde_json::from_str(paths).unwrap();
            let event = fields.of(RawValue::from_string(event.to_owned()).unwrap());
            serde_json::from_str(event.get()).unwrap()
        };
        assert_eq!(picked("null")["content"]["d"], 2);
        assert_eq!(picked("[]"), json!({}));
        let some = picked(r#"["type","content.body","content.none.x","type.of"]"#);
        assert_eq!(some, json!({ "type": "x", "content": { "body": "z" } }));
        let escaped = picked(r#"["content.a\\.b.c\\\\"]"#);
        assert_eq!(escaped, json!({ "content": { "a.b": { "c\\": 1 } } }));
    }
}

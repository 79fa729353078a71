//! The names of a field and of those that it stands in (client-server API, appendix "Dot-separated
//! property paths").

use serde::Deserialize;
use serde_json::{Map, Value};

/// Where a field of an event is: the names of those that it stands in, outermost first, and its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub(crate) struct FieldPath(Vec<String>);

impl From<String> for FieldPath {
    /// Reads a path as `content.body`. A dot that is part of a name has a backslash before it, and so
    /// has a backslash.
    fn from(text: String) -> Self {
        let (mut names, mut name) = (Vec::new(), String::new());
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '.' => names.push(std::mem::take(&mut name)),
                '\\' => name.push(characters.next_if(|it| ".\\".contains(*it)).unwrap_or('\\')),
                other => name.push(other),
            }
        }
        names.push(name);
        Self(names)
    }
}

impl FieldPath {
    /// Returns what stands there.
    pub(crate) fn find<'v>(&self, event: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(event, |value, name| value.get(name))
    }

    /// Copies what stands there, with those that it stands in.
    pub(crate) fn copy(&self, from: &Value, mut to: &mut Map<String, Value>) {
        let (Some(found), Some((last, outer))) = (self.find(from), self.0.split_last()) else {
            return;
        };
        for name in outer {
            let place = to.entry(name.clone()).or_insert_with(|| Map::new().into());
            // What stands there already is the whole of it.
            let Some(inner) = place.as_object_mut() else { return };
            to = inner;
        }
        to.insert(last.clone(), found.clone());
    }
}

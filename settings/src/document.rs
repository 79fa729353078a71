//! A file by which an operator sets a server: what it says, and where it says it.

use serde::de::DeserializeOwned;
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, ValueDeserializer};

use super::{Mistake, Wrong};

/// A file as it was written: its tables and values, and where each of them stands.
#[derive(Debug)]
pub struct Document<'t> {
    table: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Reads `text`.
    ///
    /// # Errors
    /// It is not TOML.
    pub fn parse(text: &'t str) -> Result<Self, Mistake> {
        DeTable::parse(text).map(|table| Self { table }).map_err(|error| Mistake::from(&error))
    }

    /// Takes the table called `key` out of the document and returns what it says; what it says if it
    /// is empty, if it is not there.
    ///
    /// # Errors
    /// There is something else than `T` has.
    pub fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<T, Mistake> {
        let found = self.table.get_mut().remove(key);
        let value = found.unwrap_or_else(|| Spanned::new(0..0, DeValue::Table(DeTable::new())));
        T::deserialize(ValueDeserializer::from(value)).map_err(|error| Mistake::from(&error))
    }

    /// Returns what the document says.
    ///
    /// # Errors
    /// There is something else than `T` has.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Mistake> {
        let table = self.table.clone();
        T::deserialize(Deserializer::from(table)).map_err(|error| Mistake::from(&error))
    }

    /// Returns the mistake that a value makes no sense, pointing at it if it was written.
    pub fn mistake(&self, wrong: &Wrong) -> Mistake {
        let value = self.table.get_ref().get(wrong.key);
        Mistake::of_value(wrong, value.map(Spanned::span))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        patience: u32,
        depth: u32,
    }

    fn shown(text: &str) -> String {
        let mistake = Document::parse(text).and_then(|document| document.read::<Sample>());
        mistake.unwrap_err().render("sample.toml", text, false)
    }

    #[test]
    fn a_misspelled_key_is_pointed_at_and_the_right_one_named() {
        let shown = shown("depth = 1\npatienc = 2\n");
        assert!(shown.contains("sample.toml:2:1") && shown.contains("^^^^^^^"), "{shown}");
        assert!(shown.contains("did you mean `patience`?"), "{shown}");
    }

    #[test]
    fn a_value_of_another_type_is_pointed_at() {
        let shown = shown("depth = 1\npatience = \"long\"\n");
        assert!(shown.contains("sample.toml:2:12"), "{shown}");
    }

    #[test]
    fn what_is_not_toml_is_pointed_at() {
        assert!(shown("depth = = 1\n").contains("sample.toml:1:9"));
    }

    #[test]
    fn a_table_that_is_not_there_is_an_empty_one() {
        let mut document = Document::parse("").unwrap();
        assert_eq!(document.take::<Sample>("sample").unwrap().depth, 0);
    }
}

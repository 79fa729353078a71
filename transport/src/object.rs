//! JSON objects, and nothing else: serde takes an array for a struct as well, its values in the order
//! of the fields.

use serde::de::{DeserializeOwned, Error as _};

/// Reads an object.
///
/// # Errors
/// It is not JSON, not an object, or not one of these.
pub fn read_object<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    let value = serde_json::from_slice(json)?;
    if is_object(json) {
        return Ok(value);
    }
    Err(serde_json::Error::custom("an object is expected here"))
}

/// Returns whether this, if it is JSON, is an object.
pub fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().starts_with(b"{")
}

#[cfg(test)]
mod tests {
    use super::read_object;

    #[derive(Debug, serde::Deserialize)]
    struct Sample {
        #[expect(dead_code, reason = "only read")]
        value: bool,
    }

    #[test]
    fn an_array_is_no_object() {
        assert!(read_object::<Sample>(br#" {"value":true}"#).is_ok());
        assert!(read_object::<Sample>(b"[true]").unwrap_err().is_data());
        assert!(read_object::<Sample>(b"{").unwrap_err().is_eof());
    }
}

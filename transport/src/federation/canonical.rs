//! Canonical JSON of a text, whatever is in it (Matrix specification, appendices, "Canonical JSON").
//!
//! Who verifies a request need not understand it: a relay carries what its sender signed, with floats,
//! integers of any size and levels of any number, which are not allowed in events and yet come. So this
//! rearranges the text itself, and leaves numbers as they are spelt: whoever signed them spelt them so.

use std::{cmp::Ordering, ops::Range};

use serde_json::value::RawValue;

use crate::bounds::MAX_CARRIED_DEPTH;

/// How often the bytes of a text are moved, all in all, to bring keys into order: what servers send
/// has them in order already, and levels that are all out of it would cost a move of all bytes each.
const MAX_MOVES: usize = 16;

/// Why a text has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum NotCanonical {
    /// It is not JSON.
    #[error(transparent)]
    NotJson(#[from] serde_json::Error),
    /// It is nested too deeply.
    #[error("it is nested deeper than {MAX_CARRIED_DEPTH} levels")]
    TooDeep,
    /// Too many levels have their keys out of order.
    #[error("too many of its levels have keys out of order")]
    TooTangled,
}

/// Returns the canonical form of `json`.
///
/// # Errors
/// See [`NotCanonical`].
pub fn canonical_json(json: &[u8]) -> Result<Vec<u8>, NotCanonical> {
    let mut text = Vec::with_capacity(json.len());
    append(json, &mut text)?;
    Ok(text)
}

/// Appends the canonical form of `json` to `out`.
///
/// # Errors
/// See [`NotCanonical`]; what was appended means nothing then.
pub(super) fn append(json: &[u8], out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    // From here on it is known to be well-formed. This takes no stack for its levels.
    let json = serde_json::from_slice::<&RawValue>(json)?.get().as_bytes();
    let moves_left = json.len().saturating_mul(MAX_MOVES);
    let mut writer = Writer { json, at: 0, out, open: Vec::new(), moves_left };
    while writer.at < json.len() {
        writer.token()?;
    }
    Ok(())
}

struct Writer<'t> {
    json: &'t [u8],
    at: usize,
    out: &'t mut Vec<u8>,
    /// The arrays and objects that have begun, outermost first.
    open: Vec<Level>,
    moves_left: usize,
}

enum Level {
    Array,
    Object(Vec<Member>),
}

/// A member of an object, as places in what was written.
#[derive(Clone)]
struct Member {
    /// With its quotes.
    key: Range<usize>,
    end: usize,
}

impl Writer<'_> {
    fn token(&mut self) -> Result<(), NotCanonical> {
        match self.json[self.at] {
            b' ' | b'\t' | b'\n' | b'\r' => {
                self.at += 1;
                Ok(())
            }
            b'{' => self.begin(Level::Object(Vec::new())),
            b'[' => self.begin(Level::Array),
            b'}' | b']' => self.end(),
            b'"' => self.string(),
            b',' => {
                self.end_member();
                self.copy(1);
                Ok(())
            }
            b':' => {
                self.copy(1);
                Ok(())
            }
            _ => {
                self.number_or_word();
                Ok(())
            }
        }
    }

    fn begin(&mut self, level: Level) -> Result<(), NotCanonical> {
        self.open.push(level);
        if self.open.len() > MAX_CARRIED_DEPTH {
            return Err(NotCanonical::TooDeep);
        }
        self.copy(1);
        Ok(())
    }

    fn end(&mut self) -> Result<(), NotCanonical> {
        self.end_member();
        if let Some(Level::Object(members)) = self.open.pop() {
            self.put_in_order(members)?;
        }
        self.copy(1);
        Ok(())
    }

    /// Says where the member that was begun last ends.
    fn end_member(&mut self) {
        if let Some(Level::Object(members)) = self.open.last_mut()
            && let Some(member) = members.last_mut()
        {
            member.end = self.out.len();
        }
    }

    fn string(&mut self) -> Result<(), NotCanonical> {
        let rest = &self.json[self.at + 1..];
        let mut length = 0;
        while rest[length] != b'"' {
            length += if rest[length] == b'\\' { 2 } else { 1 };
        }
        let token = &self.json[self.at..self.at + length + 2];
        let start = self.out.len();
        if token.contains(&b'\\') {
            let text: String = serde_json::from_slice(token)?;
            serde_json::to_writer(&mut *self.out, &text)?;
        } else {
            self.out.extend_from_slice(token);
        }
        let is_key = start > 0 && matches!(self.out[start - 1], b'{' | b',');
        if let Some(Level::Object(members)) = self.open.last_mut()
            && is_key
        {
            members.push(Member { key: start..self.out.len(), end: self.out.len() });
        }
        self.at += length + 2;
        Ok(())
    }

    fn number_or_word(&mut self) {
        let rest = &self.json[self.at..];
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        if rest[..length] == *b"-0" {
            self.at += 1;
            self.copy(1);
        } else {
            self.copy(length);
        }
    }

    fn copy(&mut self, length: usize) {
        self.out.extend_from_slice(&self.json[self.at..self.at + length]);
        self.at += length;
    }

    /// Orders the members of the object that ends here; of those with the same key, the last stays.
    fn put_in_order(&mut self, mut members: Vec<Member>) -> Result<(), NotCanonical> {
        let is_less = |pair: &[Member]| compare(self.out, &pair[0], &pair[1]).is_lt();
        if members.windows(2).all(is_less) {
            return Ok(());
        }
        let start = members[0].key.start;
        let moved = self.out.len() - start;
        self.moves_left = self.moves_left.checked_sub(moved).ok_or(NotCanonical::TooTangled)?;
        members.sort_by(|one, other| compare(self.out, one, other));
        let written = self.out.split_off(start);
        for (place, member) in members.iter().enumerate() {
            let next = members.get(place + 1);
            let text = |member: &Member| member.key.start - start..member.end - start;
            let key = |member: &Member| member.key.start - start..member.key.end - start;
            if next.is_some_and(|next| written[key(next)] == written[key(member)]) {
                continue;
            }
            self.out.extend_from_slice(&written[text(member)]);
            self.out.push(b',');
        }
        self.out.pop();
        Ok(())
    }
}

/// Compares keys by their characters, which is by the bytes of UTF-8.
fn compare(out: &[u8], one: &Member, other: &Member) -> Ordering {
    let (one, other) = (&out[one.key.clone()], &out[other.key.clone()]);
    if !one.contains(&b'\\') && !other.contains(&b'\\') {
        // Without the closing quotes, which are not part of the keys.
        return one[1..one.len() - 1].cmp(&other[1..other.len() - 1]);
    }
    let text = |key: &[u8]| serde_json::from_slice::<String>(key).unwrap_or_default();
    text(one).cmp(&text(other))
}

#[cfg(test)]
mod tests {
    use ruma::CanonicalJsonValue;

    use super::{MAX_CARRIED_DEPTH, NotCanonical, append};

    fn canonical(json: &str) -> Result<String, NotCanonical> {
        let mut out = b"before".to_vec();
        append(json.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out.split_off(6)).expect("what was valid UTF-8 still is"))
    }

    #[test]
    fn what_ruma_understands_is_what_ruma_makes_of_it() {
        for json in [
            r#"{"b":{"z":[1,{"y":null,"x":true}],"a":"\u00e9\/\n\u0007"},"a":-7, "aa" : [ ] }"#,
            r##"[{"\"":1,"!":2,"#":3},{"\u65e5":1,"a":1,"\ud83d\ude00":2,"\uffee":3}]"##,
            r#"{"a":1,"b":{"k":1},"a":{"t":2,"s":3},"A":[],"":"{,\\\"}"}"#,
            "\"text\"",
            " 7 ",
            "{}",
        ] {
            let value: CanonicalJsonValue = serde_json::from_str(json).unwrap();
            assert_eq!(canonical(json).unwrap(), value.to_string(), "{json}");
        }
    }

    #[test]
    fn numbers_stay_as_they_are_spelt() {
        let json = r#"{"z":[1.50,1e400,-0.0],"big":9007199254740993,"a":[9007199254740993000000]}"#;
        let made = r#"{"a":[9007199254740993000000],"big":9007199254740993,"z":[1.50,1e400,-0.0]}"#;
        assert_eq!(canonical(json).unwrap(), made);
        assert_eq!(canonical("[-0,0]").unwrap(), "[0,0]", "which Dendrite spells anew");
    }

    #[test]
    fn levels_are_many_and_not_without_end() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let deep = nested(MAX_CARRIED_DEPTH);
        assert_eq!(canonical(&deep).unwrap(), deep);
        assert!(matches!(canonical(&nested(MAX_CARRIED_DEPTH + 1)), Err(NotCanonical::TooDeep)));
    }

    #[test]
    fn levels_that_are_all_out_of_order_are_refused_before_they_cost_much() {
        let levels = 1000;
        let text = format!("{}{}{}", r#"{"b":"#.repeat(levels), 1, r#","a":2}"#.repeat(levels));
        assert!(matches!(canonical(&text), Err(NotCanonical::TooTangled)));
    }

    #[test]
    fn what_is_not_json_has_no_form() {
        for json in ["", "{", r#"{"a"}"#, "[1,]", r#""\ud800""#, "nul", "1 2", "\u{1}"] {
            assert!(matches!(canonical(json), Err(NotCanonical::NotJson(_))), "{json}");
        }
    }
}

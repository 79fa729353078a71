//! How deep JSON may be that comes from outside.
//!
//! Every parser here gives up at 128 levels, and what is taken is wrapped on its way: an event in a
//! transaction, that in what is signed, or in what a relay hands out. So an event has at most
//! [`MAX_EVENT_DEPTH`] levels, a request's body somewhat more, and an answer more than that: what one
//! node takes, every other one can be told of.

/// Levels of arrays and objects within each other in an event, itself included.
pub const MAX_EVENT_DEPTH: usize = 48;

/// The same of the body of a request.
pub const MAX_REQUEST_DEPTH: usize = 64;

/// The same of the body of an answer.
pub const MAX_ANSWER_DEPTH: usize = 80;

/// The same of what a relay carries for others, which decides itself about none of it. Dendrite's
/// parser goes as deep.
pub const MAX_CARRIED_DEPTH: usize = 10_000;

/// Returns whether `json` has at most `limit` levels of arrays and objects within each other. What is
/// not JSON has some answer too; a parser tells that it is none.
pub fn is_within_depth(json: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_within_depth;

    #[test]
    fn brackets_in_strings_are_no_levels() {
        assert!(is_within_depth(br#"{"a":["[[[\"[[[",{}]}"#, 3));
        assert!(!is_within_depth(br#"{"a":["\\",[{}]]}"#, 3));
        assert!(is_within_depth(br"[[],[],[[]]]", 3));
    }
}

//! Patterns in which `*` stands for any characters and `?` for one.
//!
//! All the places in a pattern where a reading may stand are followed at once, so that no text makes it
//! slow and none makes it deep.

/// Returns whether the whole text is like the pattern.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let length = text.len();
    find(text, &pattern, |at| at == 0, |at| at == length)
}

/// Returns whether a part of the text that begins and ends where words do is like the pattern.
pub(super) fn has_words_like(text: &str, pattern: &[char]) -> bool {
    if pattern.is_empty() {
        return text.is_empty();
    }
    let is_edge = |at: usize| {
        let is_word = |character: Option<char>| character.is_some_and(is_of_a_word);
        !(is_word(text[..at].chars().next_back()) && is_word(text[at..].chars().next()))
    };
    find(text, pattern, is_edge, is_edge)
}

/// Returns whether words have this character in them.
pub(super) fn is_of_a_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Returns whether a part of the text is like the pattern that begins and ends at such places.
fn find(
    text: &str,
    pattern: &[char],
    may_begin: impl Fn(usize) -> bool,
    may_end: impl Fn(usize) -> bool,
) -> bool {
    // Whether a reading stands before that character of the pattern, or behind the last one.
    let mut readings = vec![false; pattern.len() + 1];
    let mut characters = text.char_indices();
    loop {
        let at = characters.offset();
        readings[0] |= may_begin(at);
        for place in 0..pattern.len() {
            readings[place + 1] |= readings[place] && pattern[place] == '*';
        }
        if readings[pattern.len()] && may_end(at) {
            return true;
        }
        let Some((_, character)) = characters.next() else { return false };
        for place in (0..=pattern.len()).rev() {
            let is_met = |pattern: char| pattern == character || pattern == '?';
            let stays = readings[place] && pattern.get(place) == Some(&'*');
            let comes = place > 0 && readings[place - 1] && is_met(pattern[place - 1]);
            readings[place] = stays || comes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_met_by_the_whole_text_alone() {
        for (text, pattern) in [
            ("m.room.message", "m.room.message"),
            ("m.room.message", "m.*.m?ss*"),
            ("", "*"),
            ("é*", "??"),
        ] {
            assert!(is_like(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in
            [("m.room.message", "m.room"), ("ab", "b"), ("", "?"), ("abc", "a*b")]
        {
            assert!(!is_like(text, pattern), "{text} {pattern}");
        }
    }

    #[test]
    fn words_are_found_between_the_edges_of_words() {
        let found =
            |text: &str, pattern: &str| has_words_like(text, &pattern.chars().collect::<Vec<_>>());
        assert!(found("an ex-alice, alice!", "alice") && found("alice", "alice"));
        assert!(!found("malice alices alice_", "alice"));
        assert!(found("what a cake walk", "ca?e") && found("the cakewalk", "cake*"));
        assert!(!found("pancake", "ca*") && !found("hello", ""));
        assert!(!found(&"ba ".repeat(20_000), "a"));
    }
}

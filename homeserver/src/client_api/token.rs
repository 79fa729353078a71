//! Tokens: points between two events, as clients are given them. `s7_x` stands after the event at
//! position 7 and before the next one; `x` is the life of the database that gave it out. `s7.3.2_x`
//! stands also after what changed third and second beside events.

use rusqlite::Connection;
use transport::MatrixError;

use crate::{
    messaging::beside::Points,
    store::{StoreError, generations, generations::Generation},
};

/// A token that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    position: i64,
    pub(super) beside: Points,
    generation: Generation,
}

impl Token {
    /// Reads a token.
    pub(super) fn parse(token: &str) -> Result<Self, MatrixError> {
        let refusal =
            || MatrixError::invalid_param(format!("{token} is not a token of this server"));
        let text = token.strip_prefix('s').ok_or_else(refusal)?;
        let (position, generation) = match text.split_once('_') {
            Some((position, generation)) => (position, Some(generation.to_owned())),
            None => (text, None),
        };
        let numbers: Result<Vec<i64>, _> = position.split('.').map(str::parse).collect();
        let numbers = numbers.map_err(|_| refusal())?;
        let (position, side, passing) = match numbers[..] {
            [position] => (position, 0, 0),
            [position, side] => (position, side, 0),
            [position, side, passing] => (position, side, passing),
            _ => return Err(refusal()),
        };
        Ok(Self { position, beside: Points { side, passing }, generation })
    }

    /// Returns the point up to which this database has all that the token's one had: it may have been
    /// restored from a backup since.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn point(&self, connection: &Connection) -> Result<i64, StoreError> {
        generations::known_up_to(connection, self.position, self.generation.as_deref())
    }
}

/// Returns the token of the point after `position`.
pub(super) fn token(position: i64, generation: &Generation) -> String {
    match generation {
        Some(generation) => format!("s{position}_{generation}"),
        None => format!("s{position}"),
    }
}

/// Returns the token of the point after `position`, and after those beside events.
pub(super) fn sync_token(position: i64, beside: Points, generation: &Generation) -> String {
    let Points { side, passing } = beside;
    let plain = token(position, generation);
    let beside = match (side, passing) {
        (0, 0) => return plain,
        (side, 0) => format!(".{side}"),
        (side, passing) => format!(".{side}.{passing}"),
    };
    match plain.split_once('_') {
        Some((position, generation)) => format!("{position}{beside}_{generation}"),
        None => plain + &beside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_other_text_is_refused() {
        for generation in [None, Some("a_b-c".to_owned())] {
            let read = Token::parse(&token(-3, &generation)).unwrap();
            let none = Points::default();
            assert_eq!(read, Token { position: -3, beside: none, generation: generation.clone() });
            for beside in [Points { side: 4, passing: 0 }, Points { side: 0, passing: 2 }] {
                let read = Token::parse(&sync_token(-3, beside, &generation)).unwrap();
                assert_eq!(read, Token { position: -3, beside, generation: generation.clone() });
            }
        }
        assert!(Token::parse("t12").is_err());
        assert!(Token::parse("sixty").is_err());
    }
}

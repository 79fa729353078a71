//! What is written down in a campaign, each thing under a name of its own; and what there is to do.

use std::{fmt, str::FromStr};

/// The name of something that is written down. All but [`Key::Worker`], [`Key::State`] and
/// [`Key::Begun`] are written once and never change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// What the campaign is.
    Plan,
    /// Whether it goes on.
    State,
    /// A block: what is to be played.
    Block(u64),
    /// What came of a block.
    Result(u64),
    /// What came of a block that was played once more by somebody else.
    Audit(u64),
    /// What came of looking for the canary.
    Canary(u64),
    /// A kind of failure, by the hash of its signature.
    Finding(String),
    /// The same, made small.
    Shrunk(String),
    /// A situation of the protocol, by its hash.
    Situation(String),
    /// A scenario that reached a new situation, by the hash of its text.
    Parent(String),
    /// A worker, by its name.
    Worker(String),
    /// Who began an item and has not given it back.
    Begun(Item),
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// Look for the known defect that is planted.
    Canary(u64),
    /// Play a block that another worker has played, and compare the journals.
    Audit(u64),
    /// Make the scenario of a finding small.
    Shrink(String),
    /// Play a block.
    Block(u64),
}

impl Item {
    /// Returns what is written down once it is done.
    pub fn done(&self) -> Key {
        match self {
            Self::Canary(number) => Key::Canary(*number),
            Self::Audit(number) => Key::Audit(*number),
            Self::Shrink(finding) => Key::Shrunk(finding.clone()),
            Self::Block(number) => Key::Result(*number),
        }
    }

    /// Returns whether it is done before plain blocks are.
    pub fn is_urgent(&self) -> bool {
        !matches!(self, Self::Block(_))
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Canary(number) => write!(f, "canary-{number}"),
            Self::Audit(number) => write!(f, "audit-{number}"),
            Self::Shrink(finding) => write!(f, "shrink-{finding}"),
            Self::Block(number) => write!(f, "block-{number}"),
        }
    }
}

/// A name that is none of a campaign's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign;

impl FromStr for Item {
    type Err = Foreign;

    fn from_str(text: &str) -> Result<Self, Foreign> {
        let (kind, rest) = text.split_once('-').ok_or(Foreign)?;
        Ok(match kind {
            "canary" => Self::Canary(number(rest)?),
            "audit" => Self::Audit(number(rest)?),
            "shrink" => Self::Shrink(name(rest)?),
            "block" => Self::Block(number(rest)?),
            _ => return Err(Foreign),
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan => f.write_str("plan"),
            Self::State => f.write_str("state"),
            Self::Block(number) => write!(f, "block.{number}"),
            Self::Result(number) => write!(f, "result.{number}"),
            Self::Audit(number) => write!(f, "audit.{number}"),
            Self::Canary(number) => write!(f, "canary.{number}"),
            Self::Finding(hash) => write!(f, "finding.{hash}"),
            Self::Shrunk(hash) => write!(f, "shrunk.{hash}"),
            Self::Situation(hash) => write!(f, "situation.{hash}"),
            Self::Parent(hash) => write!(f, "parent.{hash}"),
            Self::Worker(name) => write!(f, "worker.{name}"),
            Self::Begun(item) => write!(f, "begun.{item}"),
        }
    }
}

impl FromStr for Key {
    type Err = Foreign;

    fn from_str(text: &str) -> Result<Self, Foreign> {
        let Some((kind, rest)) = text.split_once('.') else {
            return match text {
                "plan" => Ok(Self::Plan),
                "state" => Ok(Self::State),
                _ => Err(Foreign),
            };
        };
        Ok(match kind {
            "block" => Self::Block(number(rest)?),
            "result" => Self::Result(number(rest)?),
            "audit" => Self::Audit(number(rest)?),
            "canary" => Self::Canary(number(rest)?),
            "finding" => Self::Finding(name(rest)?),
            "shrunk" => Self::Shrunk(name(rest)?),
            "situation" => Self::Situation(name(rest)?),
            "parent" => Self::Parent(name(rest)?),
            "worker" => Self::Worker(name(rest)?),
            "begun" => Self::Begun(rest.parse()?),
            _ => return Err(Foreign),
        })
    }
}

/// The longest part of a name, in characters.
const LONGEST: usize = 64;

/// Returns whether a text can be part of a name, in any queue: no folder and no subject is left by it.
pub fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(is_plain)
}

fn name(text: &str) -> Result<String, Foreign> {
    if is_name(text) { Ok(text.to_owned()) } else { Err(Foreign) }
}

fn number(text: &str) -> Result<u64, Foreign> {
    let number: u64 = text.parse().map_err(|_| Foreign)?;
    // One spelling of each: what is written down once is there under one name.
    if number.to_string() == text { Ok(number) } else { Err(Foreign) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_it_is_written_and_none_leads_elsewhere() {
        let hash = || "0a1b".to_owned();
        let keys = [
            Key::Plan,
            Key::State,
            Key::Block(7),
            Key::Result(0),
            Key::Audit(3),
            Key::Canary(1),
            Key::Finding(hash()),
            Key::Shrunk(hash()),
            Key::Situation(hash()),
            Key::Parent(hash()),
            Key::Worker("laptop-12-1".to_owned()),
            Key::Begun(Item::Block(7)),
            Key::Begun(Item::Shrink(hash())),
        ];
        for key in keys {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for foreign in ["finding.../x", "worker.a b", "block.x", "begun.plan", "", "x", "worker."] {
            assert_eq!(foreign.parse::<Key>(), Err(Foreign), "{foreign}");
        }
        for spelling in ["result.007", "result.+7", "begun.block-007", "audit.00"] {
            assert_eq!(spelling.parse::<Key>(), Err(Foreign), "{spelling}");
        }
    }
}

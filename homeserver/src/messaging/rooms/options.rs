//! The words in which rooms are asked for and spoken of.

use ruma::{OwnedUserId, RoomVersionId};
use serde_json::Value;

/// How a room delivers: what its creation content says under `org.fedsim.delivery`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delivery {
    /// Stored locally, sent to each backend until it arrives.
    #[default]
    Eventual,
    /// All or nothing.
    M1,
    /// As Wire had it in October 2021.
    M1Of2021,
}

impl Delivery {
    /// The key in the creation content.
    pub const KEY: &'static str = "org.fedsim.delivery";

    /// As it stands in the creation content.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eventual => "eventual",
            Self::M1 => "m1",
            Self::M1Of2021 => "m1-2021",
        }
    }

    /// Whether events of such a room come in transactions: under `m1`, only state does.
    pub(crate) fn is_transacted(self, is_state: bool) -> bool {
        is_state || self != Self::M1
    }

    /// The policy called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Eventual, Self::M1, Self::M1Of2021].into_iter().find(|one| one.as_str() == name)
    }
}

/// Who may join a new room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JoinRule {
    /// Everybody.
    Public,
    /// Those who were invited.
    #[default]
    Invite,
}

impl JoinRule {
    /// As it stands in `m.room.join_rules`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Invite => "invite",
        }
    }
}

/// A state event of a new room.
#[derive(Clone, Debug)]
pub struct InitialState {
    /// The event's type.
    pub kind: String,
    /// Its state key.
    pub state_key: String,
    /// What it says.
    pub content: Value,
}

/// What a new room is to be.
#[derive(Clone, Debug)]
pub struct CreateRoom {
    /// Its name.
    pub name: Option<String>,
    /// Its topic.
    pub topic: Option<String>,
    /// Who may join.
    pub join_rule: JoinRule,
    /// Who is invited from the start.
    pub invite: Vec<OwnedUserId>,
    /// How it delivers.
    pub delivery: Delivery,
    /// Its version.
    pub version: RoomVersionId,
    /// Further state, after the state that every room begins with.
    pub initial_state: Vec<InitialState>,
}

impl Default for CreateRoom {
    fn default() -> Self {
        Self {
            name: None,
            topic: None,
            join_rule: JoinRule::default(),
            invite: Vec::new(),
            delivery: Delivery::default(),
            version: RoomVersionId::V11,
            initial_state: Vec::new(),
        }
    }
}

/// A user's relation to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Invited.
    Invite,
    /// In it.
    Join,
    /// Asked to be let in.
    Knock,
    /// Left, or was removed.
    Leave,
    /// Banned.
    Ban,
}

impl Membership {
    /// As `m.room.member` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Join => "join",
            Self::Knock => "knock",
            Self::Leave => "leave",
            Self::Ban => "ban",
        }
    }

    /// The membership called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Invite, Self::Join, Self::Knock, Self::Leave, Self::Ban]
            .into_iter()
            .find(|one| one.as_str() == name)
    }
}

/// The way in which a timeline is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Forwards,
    /// Newest first.
    Backwards,
}

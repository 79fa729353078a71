//! The words in which rooms are asked for and spoken of.

use ruma::{OwnedRoomAliasId, OwnedUserId, RoomVersionId};
use serde_json::Value;

use crate::event::Delivery;

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
    /// What its creation event says beside its version, its creator and how it delivers: whether it
    /// federates, what it follows, its type.
    pub creation_content: serde_json::Map<String, Value>,
    /// How it delivers.
    pub delivery: Delivery,
    /// Its version.
    pub version: RoomVersionId,
    /// Further state, after the state that every room begins with.
    pub initial_state: Vec<InitialState>,
    /// What its power levels say instead of what they say otherwise.
    pub power_levels: serde_json::Map<String, Value>,
    /// Whether those invited from the start have as much power as its creator.
    pub trusts_invited: bool,
    /// Whether those invited are told that it is a conversation with them alone.
    pub is_direct: bool,
    /// What it is called in this server's directory.
    pub alias: Option<OwnedRoomAliasId>,
}

impl Default for CreateRoom {
    fn default() -> Self {
        Self {
            name: None,
            topic: None,
            join_rule: JoinRule::default(),
            invite: Vec::new(),
            creation_content: serde_json::Map::new(),
            delivery: Delivery::default(),
            version: RoomVersionId::V11,
            initial_state: Vec::new(),
            power_levels: serde_json::Map::new(),
            trusts_invited: false,
            is_direct: false,
            alias: None,
        }
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

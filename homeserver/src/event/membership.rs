//! A user's relation to a room, as membership events name it.

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

    /// Returns the membership called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Invite, Self::Join, Self::Knock, Self::Leave, Self::Ban]
            .into_iter()
            .find(|one| one.as_str() == name)
    }
}

//! The delivery policies of rooms, as creation events name them.

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
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Eventual, Self::M1, Self::M1Of2021];

    /// The key in the creation content.
    pub const KEY: &'static str = "org.fedsim.delivery";

    /// Returns the policy's name, as it stands in the creation content.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eventual => "eventual",
            Self::M1 => "m1",
            Self::M1Of2021 => "m1-2021",
        }
    }

    /// Returns whether events of such a room come in transactions: under `m1`, only state does.
    pub(crate) fn is_transacted(self, is_state: bool) -> bool {
        is_state || self != Self::M1
    }

    /// Returns whether only the room's owner lets users in: a backend that it does not know of
    /// would be left out of its votes.
    pub(crate) fn owner_lets_in(self) -> bool {
        self == Self::M1
    }

    /// Returns the policy called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

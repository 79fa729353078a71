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

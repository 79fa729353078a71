//! The defects: a line each of what is wrong, and where it was seen.

/// A system that a defect was seen in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    /// Wire's backends of October 2021, and the protocols compared with theirs.
    Wire,
    /// Dendrite: its relay, and its federation sender.
    Dendrite,
    /// OpenCola's relay.
    OpenCola,
    /// Synapse, and servers that work as it does.
    Synapse,
    /// None in particular: mistakes that whoever writes a server could make.
    Own,
}

/// Where a defect was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The system.
    pub system: System,
    /// The place in it: the row of its list of weak spots, and the file or function, where known.
    pub place: &'static str,
}

/// Declares the closed set; the comment on each variant is its description.
macro_rules! defects {
    ($($(#[doc = $what:literal])+ $variant:ident = $name:literal, $system:ident, $place:literal;)+) => {
        /// A known defect: one small change at one place of the homeserver or the relay.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Defect {
            $($(#[doc = $what])+ $variant,)+
        }

        impl Defect {
            /// All of them, in the order of [`System`].
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns its name, in kebab case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns what is wrong, in a sentence.
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($what),+).trim_start(),)+
                }
            }

            /// Returns where it was seen.
            pub const fn source(self) -> Source {
                match self {
                    $(Self::$variant => Source { system: System::$system, place: $place },)+
                }
            }
        }
    };
}

defects! {
    /// The relay keeps a transaction once more each time it comes, so that a sender whose answer was
    /// lost is delivered twice.
    RelayStoresRepeats = "relay-stores-repeats", Dendrite,
        "B11: relayapi/storage/shared `StoreTransaction`";
}

impl Defect {
    /// Returns the defect with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|defect| defect.name() == name)
    }
}

//! What clients do, when, and how often.

use std::{fmt, time::Duration};

/// One thing that a client does.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// When it begins, counted from the moment the cluster is ready.
    pub at: Duration,
    /// What the client does.
    pub kind: OpKind,
    /// How often it is done.
    pub repeat: Repeat,
    /// How much later than it says each of its occurrences begins at the most: how much is drawn
    /// from the seed of the run.
    pub jitter: Duration,
    /// How each of its occurrences must end, if the scenario says so.
    pub outcome: Option<Outcome>,
}

impl Op {
    /// Returns an operation that is done once, at that very time.
    pub fn once(at: Duration, kind: OpKind) -> Self {
        Self { at, kind, repeat: Repeat::default(), jitter: Duration::ZERO, outcome: None }
    }

    /// Returns each of its occurrences as an operation that is done once. The messages of one that is
    /// repeated have numbers: `m1-1`, `m1-2` and so on.
    pub fn occurrences(&self) -> impl Iterator<Item = Self> {
        let Repeat { times, every } = self.repeat;
        (0..times).map(move |n| {
            let mut kind = self.kind.clone();
            if let OpKind::Send { id, .. } = &mut kind
                && times > 1
            {
                *id = format!("{id}-{}", n + 1);
            }
            let (jitter, outcome) = (self.jitter, self.outcome.clone());
            Self { jitter, outcome, ..Self::once(self.at + every * n, kind) }
        })
    }

    /// Returns when the last of its occurrences begins at the latest.
    pub fn last(&self) -> Duration {
        self.at + self.repeat.every * self.repeat.times.saturating_sub(1) + self.jitter
    }
}

/// How often an operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// How often; 1 to [`MOST_TIMES`]. A device logs out once.
    pub times: u32,
    /// How long after one the next one begins.
    pub every: Duration,
}

/// The most times that an operation can be repeated.
pub const MOST_TIMES: u32 = 10_000;

impl Default for Repeat {
    fn default() -> Self {
        Self { times: 1, every: Duration::ZERO }
    }
}

/// How a client operation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It certainly happened.
    Ok,
    /// It certainly did not happen.
    Refused,
    /// No answer: nobody knows.
    Indefinite,
    /// It was answered with an error that has this code, such as `M_FORBIDDEN`.
    Error(String),
}

impl Outcome {
    /// Every outcome that is a word, with it.
    pub const WORDS: [(&'static str, Self); 3] =
        [("ok", Self::Ok), ("refused", Self::Refused), ("indefinite", Self::Indefinite)];

    /// Returns its word, or the code of the error.
    pub fn word(&self) -> &str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Indefinite => "indefinite",
            Self::Error(code) => code,
        }
    }

    /// Returns whether a text may be the code of an error: capital letters, digits and underscores,
    /// with dots for codes that are not of Matrix itself, such as `ORG.EXAMPLE.NO` or `M_FORBIDDEN`.
    pub fn is_code(text: &str) -> bool {
        let is_of_code = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || "_.".contains(c);
        text.len() <= LONGEST_CODE
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.chars().all(is_of_code)
    }
}

/// The longest code of an error.
const LONGEST_CODE: usize = 100;

/// What a client does.
#[derive(Clone, Debug, PartialEq)]
pub enum OpKind {
    /// Sends a message.
    Send {
        /// The message's name in this scenario.
        id: String,
        /// The user; the first device sends.
        from: String,
        /// The conversation.
        to: String,
        /// The text.
        text: String,
        /// What the content of the event holds beside the text, or in the place of what it is made of
        /// otherwise: `body` and `msgtype`.
        content: toml::Table,
        /// How often the client repeats, with the same transaction id, an attempt that got no
        /// answer, or a server error that is not a refusal.
        retries: u32,
    },
    /// Takes away what a message says.
    Redact {
        /// The message, by its name.
        message: String,
        /// The user who takes it away; the first device does so.
        by: String,
    },
    /// Says that a user types.
    Typing {
        /// The user; the first device says so.
        user: String,
        /// The conversation.
        conversation: String,
    },
    /// Logs a device out, for good.
    Logout {
        /// The device, such as `bob/2`.
        device: String,
    },
    /// Every device of the user fetches its notifications once.
    Fetch {
        /// The user.
        user: String,
    },
    /// A user joins a conversation (is invited by its creator first).
    Join {
        /// The user.
        user: String,
        /// The conversation.
        conversation: String,
    },
    /// A user leaves a conversation.
    Leave {
        /// The user.
        user: String,
        /// The conversation.
        conversation: String,
    },
    /// A user removes another one from a conversation.
    Kick {
        /// The user who is removed.
        user: String,
        /// The user who removes; the first device does so.
        by: String,
        /// The conversation.
        conversation: String,
    },
    /// A user removes another one from a conversation, and keeps that one from coming back.
    Ban {
        /// The user who is banned.
        user: String,
        /// The user who bans; the first device does so.
        by: String,
        /// The conversation.
        conversation: String,
    },
    /// A user sets what another one may do in a conversation.
    Power {
        /// The user whose power level is set.
        user: String,
        /// The power level; 50 suffices to kick and to ban, 100 is the creator's.
        level: u32,
        /// The user who sets it; the first device does so.
        by: String,
        /// The conversation.
        conversation: String,
    },
    /// A user sets a state event of a conversation: its topic, its name, or any other one that has no
    /// operation of its own.
    State {
        /// The type, such as `m.room.topic`.
        kind: String,
        /// The state key.
        key: String,
        /// The content: texts, whole numbers, booleans, lists and tables.
        content: toml::Table,
        /// The user who sets it; the first device does so.
        by: String,
        /// The conversation.
        conversation: String,
    },
    /// A user invites another one, who does not join by this alone.
    Invite {
        /// The user who is invited.
        user: String,
        /// The user who invites; the first device does so.
        by: String,
        /// The conversation.
        conversation: String,
    },
    /// A server without any rights asks a relay for somebody's mail, and acknowledges it.
    Trespass {
        /// The relay.
        relay: String,
        /// The backend whose mail it is.
        victim: String,
    },
}

impl OpKind {
    /// Returns a message that says `text` and holds nothing else, and that is tried once.
    pub fn message(id: String, from: String, to: String, text: String) -> Self {
        Self::Send { id, from, to, text, content: toml::Table::new(), retries: 0 }
    }
}

impl fmt::Display for OpKind {
    /// Says what is done, as a noun: `send of m1`, `kick of bob from team by alice`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send { id, .. } => write!(f, "send of {id}"),
            Self::Redact { message, by } => write!(f, "redaction of {message} by {by}"),
            Self::Typing { user, conversation } => write!(f, "typing of {user} in {conversation}"),
            Self::Logout { device } => write!(f, "logout of {device}"),
            Self::Fetch { user } => write!(f, "fetch of {user}"),
            Self::Join { user, conversation } => write!(f, "join of {user} to {conversation}"),
            Self::Leave { user, conversation } => write!(f, "leave of {user} from {conversation}"),
            Self::Kick { user, by, conversation } => {
                write!(f, "kick of {user} from {conversation} by {by}")
            }
            Self::Ban { user, by, conversation } => {
                write!(f, "ban of {user} from {conversation} by {by}")
            }
            Self::Power { user, level, by, conversation } => {
                write!(f, "power {level} of {user} in {conversation} by {by}")
            }
            Self::State { kind, by, conversation, .. } => {
                write!(f, "{kind} of {conversation} by {by}")
            }
            Self::Invite { user, by, conversation } => {
                write!(f, "invite of {user} to {conversation} by {by}")
            }
            Self::Trespass { relay, victim } => write!(f, "trespass at {relay} for {victim}"),
        }
    }
}

impl OpKind {
    /// Returns the conversation that it is about, if it is about one.
    pub fn conversation(&self) -> Option<&str> {
        match self {
            Self::Send { to: conversation, .. }
            | Self::Join { conversation, .. }
            | Self::Leave { conversation, .. }
            | Self::Kick { conversation, .. }
            | Self::Ban { conversation, .. }
            | Self::Power { conversation, .. }
            | Self::State { conversation, .. }
            | Self::Typing { conversation, .. }
            | Self::Invite { conversation, .. } => Some(conversation),
            Self::Fetch { .. }
            | Self::Redact { .. }
            | Self::Logout { .. }
            | Self::Trespass { .. } => None,
        }
    }

    /// Returns whether it is done by `named`, or to `named`.
    pub fn is_about(&self, named: &str) -> bool {
        match self {
            Self::Send { from: user, .. }
            | Self::Fetch { user }
            | Self::Join { user, .. }
            | Self::Typing { user, .. }
            | Self::Leave { user, .. } => user == named,
            Self::Kick { user, by, .. }
            | Self::Ban { user, by, .. }
            | Self::Power { user, by, .. }
            | Self::Invite { user, by, .. } => [user, by].into_iter().any(|it| it == named),
            Self::State { by, .. } | Self::Redact { by, .. } => by == named,
            Self::Logout { device } => device.split('/').next() == Some(named),
            Self::Trespass { .. } => false,
        }
    }
}

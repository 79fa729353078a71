//! What the harness writes into the journal about its own doings: what clients observed, and the
//! phases of a run. Whoever plays a run writes this vocabulary, and checks read it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, de::value::MapDeserializer};

use crate::record::OpOutcome;

/// The prefix of a message's name in an event that a dishonest homeserver has made up, and that no
/// honest one may show to anybody.
pub const FORGED: &str = "forged ";

/// The topics of all notes.
const TOPICS: &[&str] = &[
    "real-time",
    "ready",
    "not-ready",
    "send-began",
    "send-ended",
    "seen",
    "caught-up",
    "join-began",
    "join-ended",
    "leave-began",
    "leave-ended",
    "removal-began",
    "removal-ended",
    "removal-seen",
    "redaction-began",
    "redaction-ended",
    "typing-began",
    "typing-ended",
    "typing-seen",
    "logout-began",
    "logout-ended",
    "operation-began",
    "operation-ended",
    "skipped",
    "trespassed",
    "forged",
    "fault-set",
    "repaired",
    "settled",
    "final-timeline",
    "final-state",
    "final-queues",
    "untold",
    "final-mail",
    "finished",
];

/// One note. Its topic in the journal is the variant's name with hyphens, such as `send-began`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "topic", content = "body", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Note {
    /// The time of this world is real: how long something took says what this machine had to do
    /// besides, and proves nothing.
    RealTime {},
    /// The cluster is ready: everybody has joined, nothing is pending. Triggers and times count
    /// from here.
    Ready {
        /// Room ids by conversation.
        rooms: BTreeMap<String, String>,
    },
    /// The cluster could not be made ready, so that nothing was tried.
    NotReady {
        /// Why, in a sentence.
        why: String,
    },
    /// A client began to send.
    SendBegan {
        /// The message's name.
        message: String,
        /// The sending device.
        device: String,
        /// The conversation.
        conversation: String,
    },
    /// A client knows how its send ended, or gave up.
    SendEnded {
        /// The message's name.
        message: String,
        /// How it ended.
        outcome: OpOutcome,
        /// The last answer's status; unset without an answer.
        status: Option<u16>,
        /// The event's id, for a send that is ok.
        event: Option<String>,
        /// The backends that a refusal named.
        #[serde(default)]
        unreachable: Vec<String>,
        /// The backends that an answer listed as left out.
        #[serde(default)]
        failed_to_send: Vec<String>,
        /// What went wrong, for a send that is not ok.
        error: Option<String>,
    },
    /// A device showed a message to its user.
    Seen {
        /// The device.
        device: String,
        /// The message's name; unset for a message that no scenario sent.
        message: Option<String>,
        /// The event's id.
        event: String,
        /// The room in which it was shown.
        room: String,
        /// How the device learned of it.
        via: Via,
    },
    /// A device has fetched all of its notifications.
    CaughtUp {
        /// The device.
        device: String,
        /// How many it had not seen before.
        fresh: u64,
    },
    /// A user is being invited and joins.
    JoinBegan {
        /// The user.
        user: String,
        /// The conversation.
        conversation: String,
    },
    /// That ended.
    JoinEnded {
        /// The user.
        user: String,
        /// The conversation.
        conversation: String,
        /// How it ended.
        outcome: OpOutcome,
    },
    /// A user leaves.
    LeaveBegan {
        /// The user.
        user: String,
        /// The conversation.
        conversation: String,
    },
    /// That ended.
    LeaveEnded {
        /// The user.
        user: String,
        /// The conversation.
        conversation: String,
        /// How it ended.
        outcome: OpOutcome,
    },
    /// A user is being removed by another one, who kicks or bans.
    RemovalBegan {
        /// The user.
        user: String,
        /// Who removes the user.
        by: String,
        /// The conversation.
        conversation: String,
    },
    /// That ended, as the one who removes was told.
    RemovalEnded {
        /// The user.
        user: String,
        /// Who removes the user.
        by: String,
        /// The conversation.
        conversation: String,
        /// How it ended.
        outcome: OpOutcome,
    },
    /// The user's own backend told a device of the user that somebody has removed the user.
    RemovalSeen {
        /// The user.
        user: String,
        /// The room's id.
        room: String,
    },
    /// A user takes away what a message says.
    RedactionBegan {
        /// The message's name.
        message: String,
        /// The user.
        by: String,
    },
    /// That ended.
    RedactionEnded {
        /// The message's name.
        message: String,
        /// The user.
        by: String,
        /// How it ended.
        outcome: OpOutcome,
        /// The id of the event that takes it away, if it is ok.
        event: Option<String>,
    },
    /// A client says that its user types.
    TypingBegan {
        /// The user.
        user: String,
        /// The conversation.
        conversation: String,
    },
    /// That ended.
    TypingEnded {
        /// The user.
        user: String,
        /// The conversation.
        conversation: String,
        /// How it ended.
        outcome: OpOutcome,
    },
    /// A device was told that somebody else types.
    TypingSeen {
        /// The device.
        device: String,
        /// The id of the user who types.
        user: String,
        /// The room's id.
        room: String,
    },
    /// A device logs out, and does nothing any more.
    LogoutBegan {
        /// The device.
        device: String,
    },
    /// That ended.
    LogoutEnded {
        /// The device.
        device: String,
        /// How it ended.
        outcome: OpOutcome,
    },
    /// An operation began of which the scenario says how it must end.
    OperationBegan {
        /// What it is, such as `kick of bob from team by alice`.
        operation: String,
        /// The device.
        device: String,
    },
    /// That ended.
    OperationEnded {
        /// What it is.
        operation: String,
        /// The device.
        device: String,
        /// How it ended.
        outcome: OpOutcome,
        /// The answer's status; unset without an answer.
        status: Option<u16>,
        /// The code of the error that was answered.
        code: Option<String>,
    },
    /// An operation never happened, because its device was down at its time.
    Skipped {
        /// What it was, such as `send m1`.
        operation: String,
        /// The device.
        device: String,
        /// What kept the device from it, if it was not down.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// A server without any right asked a relay for somebody's mail.
    Trespassed {
        /// The relay.
        relay: String,
        /// The server whose mail it is.
        victim: String,
        /// The entry that it tried to acknowledge; 0 if none.
        entry_id: i64,
        /// The answer's status; unset without an answer.
        status: Option<u16>,
    },
    /// A dishonest peer makes a request whose signature nobody may accept.
    Forged {
        /// The dishonest peer.
        peer: String,
        /// The server that it asks.
        to: String,
        /// The target of its request.
        target: String,
    },
    /// A fault of the scenario began.
    FaultSet {
        /// Its index in the scenario, from 0.
        index: usize,
        /// Its number in the world.
        fault: u64,
    },
    /// Everything is repaired; the world settles from here.
    Repaired {},
    /// The time to settle is over.
    Settled {
        /// What was still pending; empty for a world that settled.
        pending: Vec<String>,
    },
    /// What a member backend holds of a conversation at the end, read through its client API.
    FinalTimeline {
        /// The backend.
        backend: String,
        /// The conversation.
        conversation: String,
        /// Event ids, newest first; unset if it could not be read.
        events: Option<Vec<String>>,
        /// Those of messages that say nothing any more.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        redacted: Vec<String>,
    },
    /// A member backend's current state of a conversation at the end, through its client API.
    FinalState {
        /// The backend.
        backend: String,
        /// The conversation.
        conversation: String,
        /// Event ids by `type|state key`; unset if it could not be read.
        events: Option<BTreeMap<String, String>>,
        /// The users of the scenario who are in the conversation by that state.
        #[serde(default)]
        members: BTreeSet<String>,
    },
    /// What a homeserver still has to send at the end, through its admin API.
    FinalQueues {
        /// The backend.
        backend: String,
        /// Pending work by destination, without zeros; unset if it could not be read.
        pending: Option<BTreeMap<String, u64>>,
    },
    /// A homeserver is of a kind that tells nobody what it still has to send.
    Untold {
        /// The backend.
        backend: String,
    },
    /// What a relay still keeps at the end, through its admin API.
    FinalMail {
        /// The relay.
        relay: String,
        /// Entries by destination, without zeros; unset if it could not be read.
        entries: Option<BTreeMap<String, u64>>,
    },
    /// Everything that is read at the end has been read.
    Finished {},
}

/// How a device learned of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// `/sync`.
    Sync,
    /// A websocket on `/await`.
    Await,
    /// `/notifications`.
    Notifications,
}

impl Note {
    /// Returns its topic and body in the journal.
    pub fn to_parts(&self) -> (String, serde_json::Value) {
        let whole = serde_json::to_value(self).expect("a note has only string keys");
        let serde_json::Value::Object(mut parts) = whole else {
            unreachable!("an adjacently tagged enum is an object");
        };
        let topic = parts.get("topic").and_then(|topic| topic.as_str()).unwrap_or_default();
        let topic = topic.to_owned();
        (topic, parts.remove("body").unwrap_or_default())
    }

    /// Returns the note with this topic and body; none if it is not one of ours.
    pub fn from_parts(topic: &str, body: &serde_json::Value) -> Option<Self> {
        let topic = serde_json::Value::from(topic);
        // The topic first, so that the body need not be kept until it is known what it is.
        let parts = [("topic", &topic), ("body", body)];
        Self::deserialize(MapDeserializer::<_, serde_json::Error>::new(parts.into_iter())).ok()
    }

    /// Returns whether notes on this topic are of this vocabulary.
    pub fn is_ours(topic: &str) -> bool {
        TOPICS.contains(&topic)
    }

    /// Reads a note that somebody else may have written, and returns it; none if it is on a topic
    /// that is not ours, which is fine: no check of ours reads it.
    ///
    /// # Errors
    /// It is on a topic of ours, and is not what a note on that topic is: the field, and what is
    /// wrong with it.
    pub fn check(topic: &str, body: &serde_json::Value) -> Result<Option<Self>, (String, String)> {
        if !Self::is_ours(topic) {
            return Ok(None);
        }
        let topic = serde_json::Value::from(topic);
        let parts = [("topic", &topic), ("body", body)];
        let parts = MapDeserializer::<_, serde_json::Error>::new(parts.into_iter());
        let read: Result<Self, _> = serde_path_to_error::deserialize(parts);
        read.map(Some).map_err(|error| (error.path().to_string(), error.inner().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;

    use super::{Note, TOPICS, Via};

    #[test]
    fn a_note_reads_back_as_it_was_written() {
        let note = Note::Seen {
            device: "bob/1".to_owned(),
            message: Some("m1".to_owned()),
            event: "$e".to_owned(),
            room: "!r".to_owned(),
            via: Via::Await,
        };
        let (topic, body) = note.to_parts();
        assert_eq!(topic, "seen");
        assert_eq!(Note::from_parts(&topic, &body), Some(note));
        let (topic, body) = Note::Repaired {}.to_parts();
        assert_eq!(Note::from_parts(&topic, &body), Some(Note::Repaired {}));
    }

    #[test]
    fn every_topic_is_listed() {
        for topic in TOPICS {
            let read = Note::deserialize(serde_json::json!({ "topic": topic, "body": {} }));
            let is_unknown = read.is_err_and(|error| error.to_string().contains("unknown variant"));
            assert!(!is_unknown, "`{topic}` is no topic");
        }
        let error = Note::deserialize(serde_json::json!({ "topic": "?", "body": {} })).unwrap_err();
        let listed = error.to_string().matches('`').count() / 2 - 1;
        assert_eq!(listed, TOPICS.len(), "{error}");
    }

    #[test]
    fn a_note_that_lacks_something_or_says_too_much_is_told_with_its_field() {
        let seen = |more: serde_json::Value| {
            let mut body = serde_json::json!({"device": "bob/1", "event": "$e", "room": "!r"});
            let more = more.as_object().expect("an object").clone();
            body.as_object_mut().expect("an object").extend(more);
            Note::check("seen", &body)
        };
        assert!(matches!(seen(serde_json::json!({"via": "sync"})), Ok(Some(Note::Seen { .. }))));
        assert!(seen(serde_json::json!({})).is_err_and(|(_, what)| what.contains("`via`")));
        let misspelled = seen(serde_json::json!({"via": "sync", "mesage": "m1"}));
        assert!(misspelled.is_err_and(|(_, what)| what.contains("`mesage`")));
        let (field, _) = seen(serde_json::json!({"via": "sync", "room": 7})).unwrap_err();
        assert_eq!(field, "body.room");
        assert_eq!(Note::check("somebody-elses", &serde_json::json!(7)), Ok(None));
    }
}

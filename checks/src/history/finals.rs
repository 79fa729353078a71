//! What was read through public APIs when everything had settled.

use std::collections::{BTreeMap, BTreeSet};

use super::Note;

/// The state of the federation at the end, as its own APIs tell it. What could not be read is
/// absent.
#[derive(Clone, Debug, Default)]
pub struct Finals {
    /// Ids of the events that a backend holds, by backend and conversation.
    pub timelines: BTreeMap<(String, String), BTreeSet<String>>,
    /// Those of these events that are messages and say nothing any more.
    pub redacted: BTreeMap<(String, String), BTreeSet<String>>,
    /// Current state of each conversation at each member backend: event ids by `type|state key`,
    /// by conversation and backend.
    pub states: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>,
    /// The users of the scenario who are in a conversation by that state, by backend and conversation.
    /// A backend of which no user is in it has none.
    pub members: BTreeMap<(String, String), BTreeSet<String>>,
    /// What each backend still has to send, by destination.
    pub queues: BTreeMap<String, BTreeMap<String, u64>>,
    /// Backends of a kind that tells nobody what it still has to send.
    pub untold: BTreeSet<String>,
    /// What each relay still keeps, by destination.
    pub mail: BTreeMap<String, BTreeMap<String, u64>>,
    /// What could not be read, such as `the state of team at b`.
    pub unread: Vec<String>,
    /// Whether everything was read.
    pub complete: bool,
}

impl Finals {
    /// Takes in a note that was made at the end, and ignores others.
    pub(super) fn take(&mut self, note: Note) {
        match note {
            Note::FinalTimeline { backend, conversation, events: Some(events), redacted } => {
                let place = (backend.clone(), conversation.clone());
                self.redacted.entry(place).or_default().extend(redacted);
                let timeline = self.timelines.entry((backend, conversation)).or_default();
                timeline.extend(events);
            }
            Note::FinalTimeline { backend, conversation, events: None, .. } => {
                self.unread.push(format!("the events of {conversation} at {backend}"));
            }
            Note::FinalState { backend, conversation, events: Some(events), members } => {
                self.members.insert((backend.clone(), conversation.clone()), members);
                self.states.entry(conversation).or_default().insert(backend, events);
            }
            Note::FinalState { backend, conversation, events: None, .. } => {
                self.unread.push(format!("the state of {conversation} at {backend}"));
            }
            Note::FinalQueues { backend, pending: Some(pending) } => {
                self.queues.insert(backend, pending);
            }
            Note::FinalQueues { backend, pending: None } => {
                self.unread.push(format!("the queues of {backend}"));
            }
            Note::Untold { backend } => {
                self.untold.insert(backend);
            }
            Note::FinalMail { relay, entries: Some(entries) } => {
                self.mail.insert(relay, entries);
            }
            Note::FinalMail { relay, entries: None } => {
                self.unread.push(format!("the mail of {relay}"));
            }
            Note::Finished {} => self.complete = true,
            _ => {}
        }
    }

    /// Returns whether a backend lacks an event of a conversation at the end. What could not be
    /// read, or not by anybody who is still a member, lacks nothing.
    pub fn lacks(&self, backend: &str, conversation: &str, event: &str) -> bool {
        let place = (backend.to_owned(), conversation.to_owned());
        self.timelines.get(&place).is_some_and(|events| !events.contains(event))
    }
}

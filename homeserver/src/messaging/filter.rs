//! Filters: what of all that is new a client wants to be told (client-server API, "Filtering").
//!
//! A limit counts in timelines alone: of what comes beside them, what was left out once would never be
//! told. `unread_thread_notifications` is not known here, as nothing is counted by threads.

mod fields;

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

pub(crate) use self::fields::Fields;
use crate::event::Pdu;

/// Bytes of a filter.
pub(crate) const MAX_FILTER: usize = 16 << 10;

/// Entries of one list in a filter: each event is compared with all of them.
const MAX_ENTRIES: usize = 500;

/// What a client wants of a sync.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filter {
    /// Which parts of the events in rooms.
    #[serde(deserialize_with = "or_default")]
    pub(crate) event_fields: Fields,
    /// Refused unless it is the one that there is.
    #[serde(rename = "event_format", deserialize_with = "or_default")]
    _event_format: Format,
    #[serde(deserialize_with = "or_default")]
    pub(crate) presence: EventFilter,
    #[serde(deserialize_with = "or_default")]
    pub(crate) account_data: EventFilter,
    #[serde(deserialize_with = "or_default")]
    pub(crate) room: RoomFilter,
}

/// What a client wants of rooms.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RoomFilter {
    rooms: Option<Few<OwnedRoomId>>,
    #[serde(deserialize_with = "or_default")]
    not_rooms: Few<OwnedRoomId>,
    /// Whether it wants the rooms that the user has left, also those that were left long ago.
    #[serde(deserialize_with = "or_default")]
    pub(crate) include_leave: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) timeline: EventFilter,
    #[serde(deserialize_with = "or_default")]
    pub(crate) state: EventFilter,
    #[serde(deserialize_with = "or_default")]
    pub(crate) ephemeral: EventFilter,
    #[serde(deserialize_with = "or_default")]
    pub(crate) account_data: EventFilter,
}

/// What a client wants of events of one sort. A list that is not there lets everything through, and
/// what lets nothing through comes before what lets something through.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EventFilter {
    /// Events at most, as the client says.
    limit: Option<u64>,
    types: Option<Few<String>>,
    #[serde(deserialize_with = "or_default")]
    not_types: Few<String>,
    senders: Option<Few<OwnedUserId>>,
    #[serde(deserialize_with = "or_default")]
    not_senders: Few<OwnedUserId>,
    rooms: Option<Few<OwnedRoomId>>,
    #[serde(deserialize_with = "or_default")]
    not_rooms: Few<OwnedRoomId>,
    /// Whether the content must have, or must not have, a `url`.
    contains_url: Option<bool>,
    /// Whether of the members it wants those alone whom it needs to show the events.
    #[serde(deserialize_with = "or_default")]
    pub(crate) lazy_load_members: bool,
    /// Whether it wants these members again whom it was told of before.
    #[serde(deserialize_with = "or_default")]
    pub(crate) include_redundant_members: bool,
}

/// How events are written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Client,
}

/// A list that is not longer than [`MAX_ENTRIES`].
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Vec<T>", bound = "T: Deserialize<'de>")]
struct Few<T>(Vec<T>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> TryFrom<Vec<T>> for Few<T> {
    type Error = String;

    fn try_from(list: Vec<T>) -> Result<Self, String> {
        if list.len() > MAX_ENTRIES {
            return Err(format!("it has {} entries; the most is {MAX_ENTRIES}", list.len()));
        }
        Ok(Self(list))
    }
}

/// Reads `null` as what is not there.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    value: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

/// Reads a [`Filter`], or an [`EventFilter`].
///
/// # Errors
/// What is wrong with it, and where.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    if text.len() > MAX_FILTER {
        return Err(format!("the filter is longer than {MAX_FILTER} bytes"));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let filter = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, reason) = (error.path().to_string(), error.inner());
        if path == "." {
            format!("the filter: {reason}")
        } else {
            format!("the filter's `{path}`: {reason}")
        }
    })?;
    json.end().map_err(|error| format!("the filter: {error}"))?;
    Ok(filter)
}

impl RoomFilter {
    /// Returns whether anything of this room is wanted.
    pub(crate) fn wants(&self, room: &RoomId) -> bool {
        lets_through(self.rooms.as_ref(), &self.not_rooms, |it| it == room)
    }
}

impl EventFilter {
    /// Returns how many events are wanted at most, where `usual` are if the client does not say.
    pub(crate) fn limit(&self, usual: usize, most: usize) -> usize {
        let limit = self.limit.map(|limit| usize::try_from(limit).unwrap_or(most));
        limit.unwrap_or(usual).clamp(1, most)
    }

    /// Returns whether an event in a room is wanted.
    pub(crate) fn wants(&self, event: &Pdu) -> bool {
        self.wants_kind(&event.kind)
            && self.wants_sender(&event.sender)
            && self.wants_any_of(&event.room_id)
            && self.contains_url.is_none_or(|wanted| event.content["url"].is_string() == wanted)
    }

    /// Returns whether anything of this room may be wanted.
    pub(crate) fn wants_any_of(&self, room: &RoomId) -> bool {
        self.types.as_ref().is_none_or(|types| !types.0.is_empty())
            && lets_through(self.rooms.as_ref(), &self.not_rooms, |it| it == room)
    }

    /// Returns whether events of this kind are wanted.
    pub(crate) fn wants_kind(&self, kind: &str) -> bool {
        lets_through(self.types.as_ref(), &self.not_types, |pattern| is_like(kind, pattern))
    }

    /// Returns whether anything that this user sent is wanted.
    pub(crate) fn wants_sender(&self, sender: &UserId) -> bool {
        lets_through(self.senders.as_ref(), &self.not_senders, |it| it == sender)
    }
}

fn lets_through<T>(only: Option<&Few<T>>, not: &Few<T>, is_it: impl Fn(&T) -> bool) -> bool {
    !not.0.iter().any(&is_it) && only.is_none_or(|only| only.0.iter().any(&is_it))
}

/// Returns whether `text` is like `pattern`, in which `*` stands for any characters.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in between.split('*') {
        let Some((_, behind)) = text.split_once(part) else { return false };
        text = behind;
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_a_dot_for_itself() {
        for (text, pattern) in [
            ("m.room.member", "m.room.member"),
            ("m.room.member", "m.room.*"),
            ("m.room.member", "*member"),
            ("m.room.member", "m.*.m*r"),
            ("m.room.member", "*"),
            ("", "*"),
            ("ab", "a**b"),
        ] {
            assert!(is_like(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [
            ("m.room.member", "m.room"),
            ("m.room.member", "mxroom.*"),
            ("m.room.member", "*.m*room"),
            ("aba", "ab*ba"),
            ("", "a*"),
        ] {
            assert!(!is_like(text, pattern), "{text} {pattern}");
        }
    }

    #[test]
    fn a_malformed_filter_is_refused_by_the_name_of_the_field_at_fault() {
        let long = format!(r#"{{"presence":{{"types":[{}"x"]}}}}"#, r#""x","#.repeat(MAX_ENTRIES));
        for (filter, named) in [
            (r#"{"room":{"timeline":{"limit":-1}}}"#, "`room.timeline.limit`"),
            (r#"{"room":{"timeline":{"types":"m.room.message"}}}"#, "`room.timeline.types`"),
            (r#"{"room":{"state":{"senders":["@a:a.test","bob"]}}}"#, "`room.state.senders[1]`"),
            (r#"{"room":{"not_rooms":["bob"]}}"#, "`room.not_rooms[0]`"),
            (r#"{"room":{"include_leave":"yes"}}"#, "`room.include_leave`"),
            (r#"{"event_format":"federation"}"#, "`event_format`"),
            (r#"{"event_fields":[7]}"#, "`event_fields[0]`"),
            (&*long, "`presence.types`"),
            ("[", "the filter"),
            ("{} x", "the filter"),
        ] {
            let error = parse::<Filter>(filter).unwrap_err();
            assert!(error.contains(named), "{filter}: {error}");
        }
        assert!(parse::<Filter>(&format!("{{}}{}", " ".repeat(MAX_FILTER))).is_err());
        let known = r#"{"room":{"timeline":{"unread_thread_notifications":true},"state":null}}"#;
        assert!(parse::<Filter>(known).is_ok());
    }

    #[test]
    fn an_empty_list_lets_nothing_through_and_no_list_everything() {
        let of = |text: &str| parse::<EventFilter>(text).unwrap();
        assert!(of("{}").wants_kind("m.room.name"));
        assert!(!of(r#"{"types":[]}"#).wants_kind("m.room.name"));
        let both = of(r#"{"types":["m.*"],"not_types":["m.room.*"]}"#);
        assert!(both.wants_kind("m.typing") && !both.wants_kind("m.room.name"));
        assert!(!both.wants_kind("org.example"));
    }
}

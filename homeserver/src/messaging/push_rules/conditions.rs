//! The conditions of push rules (client-server API, "Conditions for push rules"), for events of whoever
//! likes to send them: what a case costs is bounded by the event's length times the pattern's.

use ruma::push::{PushCondition, ScalarJsonValue};
use serde_json::Value;

use super::{Case, glob};
use crate::{
    messaging::field_path::FieldPath,
    pdu::power::may_notify,
    store::{StoreError, events, rooms},
};

/// Bytes of a message in which words are looked for; what stands behind is not searched.
const MAX_SEARCHED: usize = 8 << 10;

/// Returns whether a condition is met. One that is not known never is.
pub(super) fn applies(case: &Case<'_>, condition: &PushCondition) -> Result<bool, StoreError> {
    let value = |key: &str| FieldPath::from(key.to_owned()).find(case.event);
    #[expect(deprecated, reason = "rules that clients of older versions made have it")]
    Ok(match condition {
        PushCondition::EventMatch(it) => match &*it.key {
            "room_id" => glob::is_like(case.room.as_str(), &it.pattern),
            "content.body" => is_in_body(case, &it.pattern),
            key => value(key).and_then(Value::as_str).is_some_and(|it_is| {
                glob::is_like(&it_is.to_lowercase(), &it.pattern.to_lowercase())
            }),
        },
        PushCondition::ContainsDisplayName => {
            display_name(case)?.is_some_and(|name| is_word_in_body(case, &name))
        }
        PushCondition::RoomMemberCount(it) => {
            let members = u64::try_from(case.members).ok().and_then(|it| it.try_into().ok());
            members.is_some_and(|members| std::ops::RangeBounds::contains(&it.is, &members))
        }
        PushCondition::SenderNotificationPermission(it) => {
            let sender = case.event["sender"].as_str().unwrap_or_default();
            may_notify(case.connection, case.room, sender, it.key.as_str())?
        }
        PushCondition::EventPropertyIs(it) => {
            value(&it.key).is_some_and(|found| is_scalar(found, &it.value))
        }
        PushCondition::EventPropertyContains(it) => {
            let list = value(&it.key).and_then(Value::as_array);
            list.is_some_and(|list| list.iter().any(|found| is_scalar(found, &it.value)))
        }
        _ => false,
    })
}

/// Returns whether the words of a message are like `pattern` somewhere.
pub(super) fn is_in_body(case: &Case<'_>, pattern: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    body(case).is_some_and(|body| glob::has_words_like(&body, &pattern))
}

/// Returns whether a message has this text in it as words, whatever characters it has.
fn is_word_in_body(case: &Case<'_>, text: &str) -> bool {
    let text = text.to_lowercase();
    let Some(body) = body(case).filter(|_| !text.is_empty()) else { return false };
    let is_edge = |character: Option<char>| !character.is_some_and(glob::is_of_a_word);
    body.match_indices(&text).any(|(at, found)| {
        is_edge(body[..at].chars().next_back()) && is_edge(body[at + found.len()..].chars().next())
    })
}

/// Returns what is searched of a message, in small letters.
fn body(case: &Case<'_>) -> Option<String> {
    let body = case.event["content"]["body"].as_str()?;
    Some(body[..body.floor_char_boundary(MAX_SEARCHED)].to_lowercase())
}

fn is_scalar(found: &Value, wanted: &ScalarJsonValue) -> bool {
    serde_json::to_value(wanted).is_ok_and(|wanted| *found == wanted)
}

/// Returns what the user is called in the room.
fn display_name(case: &Case<'_>) -> Result<Option<String>, StoreError> {
    let user = case.user.as_str();
    let id = rooms::current_entry(case.connection, case.room, "m.room.member", user)?;
    let Some(id) = id else { return Ok(None) };
    let found = events::find(case.connection, &id)?;
    let name = found.and_then(|found| Some(found.pdu.content["displayname"].as_str()?.to_owned()));
    Ok(name)
}

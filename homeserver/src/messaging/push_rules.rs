//! The push rules of a user: of what others do, they say what notifies, and how (client-server API,
//! "Push Rules"). They are kept with the account, as `m.push_rules`, once the user has changed them;
//! until then they are those that the specification gives everybody.

mod conditions;
mod glob;

use std::collections::BTreeMap;

use ruma::{
    OwnedRoomId, RoomId, UserId,
    push::{Action, AnyPushRuleRef, PatternedPushRule, Ruleset},
};
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use self::conditions::{applies, is_in_body};
use crate::store::{StoreError, account_data, neighbors};

/// The account data that holds the rules.
pub(crate) const KIND: &str = "m.push_rules";

/// Returns the rules of a user.
///
/// # Errors
/// The store's.
pub(crate) fn of_user(connection: &Connection, user: &UserId) -> Result<Ruleset, StoreError> {
    let usual = Ruleset::server_default(user);
    let stored = match account_data::find(connection, user, None, KIND) {
        Err(StoreError::Corrupt(error)) => {
            tracing::error!(error, "push rules are stored malformed");
            None
        }
        found => found?,
    };
    let Some(mut stored) = stored else { return Ok(usual) };
    Ok(match serde_json::from_value::<Ruleset>(stored["global"].take()) {
        Ok(mut rules) => {
            rules.update_with_server_default(usual);
            rules
        }
        Err(error) => {
            tracing::error!(%error, "push rules are stored malformed");
            usual
        }
    })
}

/// Returns the rules as clients see them, each kind there even if it has no rules.
pub(crate) fn global(rules: &Ruleset) -> Value {
    let mut global = json!(rules);
    for kind in ["override", "content", "room", "sender", "underride"] {
        if global[kind].is_null() {
            global[kind] = json!([]);
        }
    }
    global
}

/// Returns what clients see as account data.
pub(crate) fn content(rules: &Ruleset) -> Value {
    json!({ "global": global(rules) })
}

/// What the rules say of an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// Whether it notifies.
    pub(crate) notifies: bool,
    /// How, as a push gateway is told.
    pub(crate) tweaks: Map<String, Value>,
}

impl Verdict {
    fn of(actions: &[Action]) -> Self {
        let mut verdict = Self::default();
        for action in actions {
            match action {
                Action::Notify => verdict.notifies = true,
                Action::SetTweak(tweak) => {
                    let value = tweak.value().map(|value| serde_json::from_str(value.get()));
                    let value = value.and_then(Result::ok).unwrap_or_default();
                    verdict.tweaks.insert(tweak.set_tweak().to_owned(), value);
                }
                _ => {}
            }
        }
        verdict
    }

    /// Returns whether it is to stand out.
    pub(crate) fn highlights(&self) -> bool {
        self.notifies && self.tweaks.get("highlight") == Some(&Value::Bool(true))
    }
}

/// Judges events by the rules of one user.
pub(crate) struct Judge<'a> {
    connection: &'a Connection,
    user: &'a UserId,
    rules: Ruleset,
    /// How many users are in the rooms that were asked about.
    members: BTreeMap<OwnedRoomId, i64>,
}

impl<'a> Judge<'a> {
    /// Returns who judges by the rules that the user has now.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn of_user(
        connection: &'a Connection,
        user: &'a UserId,
    ) -> Result<Self, StoreError> {
        let rules = of_user(connection, user)?;
        Ok(Self { connection, user, rules, members: BTreeMap::new() })
    }

    /// Returns what the rules say of an event in the client format, as the room is now. What the user
    /// did notifies nobody.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn judge(&mut self, event: &Value) -> Result<Verdict, StoreError> {
        let room = event["room_id"].as_str().and_then(|room| <&RoomId>::try_from(room).ok());
        let Some(room) = room.filter(|_| event["sender"] != self.user.as_str()) else {
            return Ok(Verdict::default());
        };
        let members = match self.members.get(room) {
            Some(members) => *members,
            None => neighbors::counts(self.connection, room)?.0,
        };
        self.members.insert(room.to_owned(), members);
        let case = Case { connection: self.connection, user: self.user, room, members, event };
        for rule in &self.rules {
            if case.matches(rule)? {
                return Ok(Verdict::of(rule.actions()));
            }
        }
        Ok(Verdict::default())
    }
}

/// An event that is judged.
struct Case<'a> {
    connection: &'a Connection,
    /// By whose rules.
    user: &'a UserId,
    room: &'a RoomId,
    /// How many users are in the room.
    members: i64,
    /// In the client format.
    event: &'a Value,
}

impl Case<'_> {
    fn matches(&self, rule: AnyPushRuleRef<'_>) -> Result<bool, StoreError> {
        if !rule.enabled() {
            return Ok(false);
        }
        Ok(match rule {
            AnyPushRuleRef::Override(rule) | AnyPushRuleRef::Underride(rule) => {
                for condition in &rule.conditions {
                    if !applies(self, condition)? {
                        return Ok(false);
                    }
                }
                true
            }
            AnyPushRuleRef::Content(PatternedPushRule { pattern, .. }) => is_in_body(self, pattern),
            AnyPushRuleRef::Room(rule) => rule.rule_id == self.room,
            AnyPushRuleRef::Sender(rule) => self.event["sender"] == rule.rule_id.as_str(),
            _ => false,
        })
    }
}

//! The authorization rules (through ruma), asked about events of the store.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use ruma::{
    EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, RoomId, UInt, UserId,
    events::{StateEventType, TimelineEventType},
    state_res::{
        Event, auth_types_for_event, check_state_dependent_auth_rules,
        check_state_independent_auth_rules,
    },
};
use rusqlite::Connection;
use serde_json::value::RawValue;

use crate::{
    event::{Pdu, rules::Rules},
    store::{
        StoreError, events,
        state::{self, GroupId},
    },
};

/// A yes, or a sentence about the rule that forbids it.
pub(crate) type Allowed = Result<(), String>;

/// An event in the shape that ruma's rules ask questions of.
#[derive(Debug)]
pub(crate) struct AuthEvent {
    pub(crate) pdu: Pdu,
    kind: TimelineEventType,
    rejected: bool,
}

impl AuthEvent {
    pub(crate) fn new(pdu: Pdu, rejected: bool) -> Arc<Self> {
        let kind = TimelineEventType::from(pdu.kind.as_str());
        Arc::new(Self { pdu, kind, rejected })
    }
}

impl Event for AuthEvent {
    type Id = OwnedEventId;

    fn event_id(&self) -> &OwnedEventId {
        &self.pdu.event_id
    }

    fn room_id(&self) -> Option<&RoomId> {
        // Since room version 12 a creation event does not say which room it creates.
        self.pdu.json.contains_key("room_id").then_some(&*self.pdu.room_id)
    }

    fn sender(&self) -> &UserId {
        &self.pdu.sender
    }

    fn origin_server_ts(&self) -> MilliSecondsSinceUnixEpoch {
        MilliSecondsSinceUnixEpoch(UInt::try_from(self.pdu.origin_server_ts).unwrap_or(UInt::MAX))
    }

    fn event_type(&self) -> &TimelineEventType {
        &self.kind
    }

    fn content(&self) -> &RawValue {
        self.pdu.raw_content()
    }

    fn state_key(&self) -> Option<&str> {
        self.pdu.state_key.as_deref()
    }

    fn prev_events(&self) -> Box<dyn DoubleEndedIterator<Item = &OwnedEventId> + '_> {
        Box::new(self.pdu.prev_events.iter())
    }

    fn auth_events(&self) -> Box<dyn DoubleEndedIterator<Item = &OwnedEventId> + '_> {
        Box::new(self.pdu.auth_events.iter())
    }

    fn redacts(&self) -> Option<&OwnedEventId> {
        // Asked for by room versions 1 and 2 only.
        None
    }

    fn rejected(&self) -> bool {
        self.rejected
    }
}

/// Loads events of the store, each once. The rules' callbacks cannot fail, so the first error is
/// kept until [`Loader::finish`] asks for it.
pub(crate) struct Loader<'a> {
    pub(crate) connection: &'a Connection,
    loaded: RefCell<BTreeMap<OwnedEventId, Option<Arc<AuthEvent>>>>,
    trouble: RefCell<Option<StoreError>>,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self { connection, loaded: RefCell::default(), trouble: RefCell::default() }
    }

    /// Returns the event with that id; `None` when the store does not hold it.
    pub(crate) fn event(&self, id: &EventId) -> Option<Arc<AuthEvent>> {
        if let Some(known) = self.loaded.borrow().get(id) {
            return known.clone();
        }
        let found = self.or_trouble(events::find(self.connection, id)).flatten();
        let event = found.map(|found| AuthEvent::new(found.pdu, found.rejected.is_some()));
        self.loaded.borrow_mut().insert(id.to_owned(), event.clone());
        event
    }

    fn entry(&self, group: GroupId, kind: &str, state_key: &str) -> Option<Arc<AuthEvent>> {
        let id =
            self.or_trouble(state::entry(self.connection, group, kind, state_key)).flatten()?;
        self.event(&id)
    }

    fn or_trouble<T>(&self, result: Result<T, StoreError>) -> Option<T> {
        result.map_err(|error| self.trouble.borrow_mut().get_or_insert(error).to_string()).ok()
    }

    /// Returns `value`, or the first error of the store meanwhile.
    pub(crate) fn finish<T>(&self, value: T) -> Result<T, StoreError> {
        self.trouble.borrow_mut().take().map_or(Ok(value), Err)
    }

    /// Returns whether the events that `pdu` names as its authorization allow it. They are all
    /// stored.
    pub(crate) fn allowed_by_auth_events(
        &self,
        rules: Rules,
        pdu: &Pdu,
    ) -> Result<Allowed, StoreError> {
        let event = AuthEvent::new(pdu.clone(), false);
        let allowed = allowed_by_auth_events(rules, &event, |id| self.event(id));
        self.finish(allowed)
    }

    /// Returns whether the state of `group` allows `pdu`.
    pub(crate) fn allowed_by_state(
        &self,
        rules: Rules,
        pdu: &Pdu,
        group: GroupId,
    ) -> Result<Allowed, StoreError> {
        let event = AuthEvent::new(pdu.clone(), false);
        let allowed = check_state_dependent_auth_rules(
            &rules.authorization,
            &event,
            |kind: &StateEventType, key: &str| self.entry(group, &kind.to_string(), key),
        );
        self.finish(allowed)
    }

    /// Returns the entries of the state of `group` that authorize an event.
    pub(crate) fn selection(
        &self,
        rules: Rules,
        asking: &Asking<'_>,
        group: GroupId,
    ) -> Result<Result<Vec<OwnedEventId>, String>, StoreError> {
        let types = match asking.auth_types(rules) {
            Ok(types) => types,
            Err(reason) => return Ok(Err(reason)),
        };
        let keys: Vec<_> =
            types.into_iter().map(|(kind, state_key)| (kind.to_string(), state_key)).collect();
        let keys = keys.iter().map(|(kind, state_key)| (kind.as_str(), state_key.as_str()));
        let mut selected = state::entries(self.connection, group, keys)?;
        selected.sort();
        Ok(Ok(selected))
    }
}

/// Returns whether both parts of the rules allow `event`, with the events that it names as its
/// authorization.
pub(crate) fn allowed_by_auth_events(
    rules: Rules,
    event: &Arc<AuthEvent>,
    fetch: impl Fn(&EventId) -> Option<Arc<AuthEvent>>,
) -> Allowed {
    check_state_independent_auth_rules(&rules.authorization, event, &fetch)?;
    let mut state = BTreeMap::new();
    let mut add = |id: &EventId| {
        if let Some(event) = fetch(id)
            && let Some(state_key) = event.pdu.state_key.clone()
        {
            state.insert((event.pdu.kind.clone(), state_key), event);
        }
    };
    if rules.authorization.room_create_event_id_as_room_id
        && let Ok(creation) = EventId::parse(format!("${}", event.pdu.room_id.strip_sigil()))
    {
        add(&creation);
    }
    event.pdu.auth_events.iter().for_each(|id| add(id));
    check_state_dependent_auth_rules(
        &rules.authorization,
        event,
        |kind: &StateEventType, key: &str| state.get(&(kind.to_string(), key.to_owned())).cloned(),
    )
}

/// What the selection of authorization events depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) kind: &'a str,
    pub(crate) sender: &'a UserId,
    pub(crate) state_key: Option<&'a str>,
    pub(crate) content: &'a RawValue,
}

impl<'a> From<&'a Pdu> for Asking<'a> {
    fn from(pdu: &'a Pdu) -> Self {
        Self {
            kind: &pdu.kind,
            sender: &pdu.sender,
            state_key: pdu.state_key.as_deref(),
            content: pdu.raw_content(),
        }
    }
}

impl Asking<'_> {
    pub(crate) fn auth_types(&self, rules: Rules) -> Result<Vec<(StateEventType, String)>, String> {
        auth_types_for_event(
            &TimelineEventType::from(self.kind),
            self.sender,
            self.state_key,
            self.content,
            &rules.authorization,
        )
    }
}

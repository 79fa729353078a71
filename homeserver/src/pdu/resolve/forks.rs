//! State resolution of states that have most entries in common: what it costs depends on what differs
//! between them, and not on the room.
//!
//! It gives what resolving the whole states gives. An entry that all of them share counts only in two
//! ways. It may authorize what is in conflict: those that do are looked up. And what authorizes it, or
//! anything else that is shared, is no part of the difference: that is looked up only if there is more
//! in the difference than what is in conflict, which is seldom.

use std::collections::{BTreeMap, BTreeSet};

use ruma::{
    OwnedEventId,
    state_res::{StateMap, resolve as resolve_states, utils::event_id_set::EventIdSet},
};
use rusqlite::Connection;
use transport::Transaction;

use super::{auth_chain, conflicted_subgraph};
use crate::{
    event::rules::Rules,
    pdu::auth::{Asking, Loader},
    store::{
        StoreError,
        state::{self, GroupId, State},
    },
};

/// A type and a state key.
type Key = (String, String);

/// What authorizes nearly everything.
const ALWAYS: [&str; 3] = ["m.room.create", "m.room.power_levels", "m.room.join_rules"];

/// States as they differ from one that all of them come from.
pub(super) struct Forks {
    groups: Vec<GroupId>,
    /// The nearest state that all come from.
    base: GroupId,
    /// What each has that the base has not.
    deltas: Vec<State>,
    /// What the base has, as far as it was looked up.
    of_base: BTreeMap<Key, Option<OwnedEventId>>,
}

impl Forks {
    /// Returns the states of `groups`; `None` if they come from no common one, or from too far away.
    pub(super) fn of(
        connection: &Connection,
        groups: &[GroupId],
    ) -> Result<Option<Self>, StoreError> {
        let mut lineages = Vec::with_capacity(groups.len());
        for group in groups {
            lineages.push(state::lineage(connection, *group)?);
        }
        let Some((first, others)) = lineages.split_first() else { return Ok(None) };
        let others: Vec<BTreeSet<GroupId>> =
            others.iter().map(|line| line.iter().map(|step| step.group).collect()).collect();
        let is_common = |group: &GroupId| others.iter().all(|line| line.contains(group));
        let Some(base) = first.iter().map(|step| step.group).find(is_common) else {
            return Ok(None);
        };
        let mut deltas = Vec::with_capacity(groups.len());
        for lineage in &lineages {
            let steps = lineage.iter().take_while(|step| step.group != base);
            deltas.push(state::changes(connection, steps)?);
        }
        Ok(Some(Self { groups: groups.to_vec(), base, deltas, of_base: BTreeMap::new() }))
    }

    /// Returns the group of the state that the states resolve to.
    pub(super) fn resolve(
        mut self,
        tx: &Transaction<'_>,
        rules: Rules,
    ) -> Result<GroupId, StoreError> {
        let changed: BTreeSet<Key> = self.deltas.iter().flat_map(State::keys).cloned().collect();
        self.look_up(tx, &changed)?;
        let conflicted: BTreeSet<Key> =
            changed.into_iter().filter(|key| self.is_in_conflict(key)).collect();
        if conflicted.is_empty() {
            return Ok(self.groups[0]);
        }
        let loader = Loader::new(tx);
        let in_conflict = self.values(&conflicted);
        let chains: Vec<_> = (0..self.groups.len())
            .map(|index| {
                let values = conflicted.iter().filter_map(|key| self.entry(index, key));
                auth_chain(&loader, values)
            })
            .collect();
        let difference = self.difference(&loader, &conflicted, &in_conflict, &chains)?;
        let keys = self.keys_of_interest(&loader, rules, &conflicted, &difference)?;
        self.look_up(tx, &keys)?;
        let of_difference = |chain: BTreeSet<OwnedEventId>| {
            chain.into_iter().filter(|id| difference.contains(id)).collect()
        };
        let chains = chains.into_iter().map(of_difference).collect();
        let resolved = self.resolve_entries(&loader, rules, &keys, chains)?;
        self.group_of(tx, &resolved, &keys)
    }

    /// Looks up what the base has under `keys`.
    fn look_up(&mut self, connection: &Connection, keys: &BTreeSet<Key>) -> Result<(), StoreError> {
        let unknown: Vec<_> = keys.iter().filter(|key| !self.of_base.contains_key(*key)).collect();
        let wanted = unknown.iter().map(|(kind, key)| (kind.as_str(), key.as_str()));
        let found = state::entries_by_key(connection, self.base, wanted)?;
        for key in unknown {
            self.of_base.insert(key.clone(), found.get(key).cloned());
        }
        Ok(())
    }

    /// Returns what the state at `index` has under a key that was looked up.
    fn entry(&self, index: usize, key: &Key) -> Option<&OwnedEventId> {
        self.deltas[index].get(key).or_else(|| self.of_base.get(key)?.as_ref())
    }

    fn is_in_conflict(&self, key: &Key) -> bool {
        let first = self.entry(0, key);
        (1..self.groups.len()).any(|index| self.entry(index, key) != first)
    }

    fn values(&self, keys: &BTreeSet<Key>) -> BTreeSet<OwnedEventId> {
        let indexes = 0..self.groups.len();
        let values = indexes.flat_map(|index| keys.iter().map(move |key| self.entry(index, key)));
        values.flatten().cloned().collect()
    }

    /// Returns what is in the authorization of some of the states and not of all, beside what is in
    /// conflict.
    fn difference(
        &mut self,
        loader: &Loader<'_>,
        conflicted: &BTreeSet<Key>,
        in_conflict: &BTreeSet<OwnedEventId>,
        chains: &[BTreeSet<OwnedEventId>],
    ) -> Result<BTreeSet<OwnedEventId>, StoreError> {
        let all = chains.iter().flatten();
        let of_some = |id: &&OwnedEventId| !chains.iter().all(|chain| chain.contains(*id));
        let mut difference: BTreeSet<OwnedEventId> =
            all.filter(of_some).filter(|id| !in_conflict.contains(*id)).cloned().collect();
        // What all of the states have is in the authorization of all.
        let mut keys = BTreeSet::new();
        for event in difference.iter().filter_map(|id| loader.event(id)) {
            keys.extend(event.pdu.state_key.clone().map(|key| (event.pdu.kind.clone(), key)));
        }
        self.look_up(loader.connection, &keys)?;
        let shared =
            keys.iter().filter(|key| !conflicted.contains(*key) && !self.is_in_conflict(key));
        for id in shared.filter_map(|key| self.entry(0, key)) {
            difference.remove(id);
        }
        if !difference.is_empty() {
            let mut whole = state::load(loader.connection, self.base)?;
            whole.extend(self.deltas[0].clone());
            whole.retain(|key, _| !conflicted.contains(key));
            for id in auth_chain(loader, whole.values()) {
                difference.remove(&id);
            }
        }
        loader.finish(difference)
    }

    /// Returns the keys of what may be in conflict, and of what may authorize it.
    fn keys_of_interest(
        &self,
        loader: &Loader<'_>,
        rules: Rules,
        conflicted: &BTreeSet<Key>,
        difference: &BTreeSet<OwnedEventId>,
    ) -> Result<BTreeSet<Key>, StoreError> {
        let mut events: BTreeSet<OwnedEventId> = self.values(conflicted);
        if rules.state_res.v2_rules().is_some_and(|it| it.consider_conflicted_state_subgraph) {
            events.extend(conflicted_subgraph(loader, events.clone().iter()));
        }
        events.extend(difference.iter().cloned());
        let mut keys = conflicted.clone();
        keys.extend(ALWAYS.map(|kind| (kind.to_owned(), String::new())));
        for event in events.iter().filter_map(|id| loader.event(id)) {
            keys.extend(event.pdu.state_key.clone().map(|key| (event.pdu.kind.clone(), key)));
            // What is malformed is asked nothing, and authorized by nothing.
            let asked = Asking::from(&event.pdu).auth_types(rules).unwrap_or_default();
            keys.extend(asked.into_iter().map(|(kind, key)| (kind.to_string(), key)));
        }
        loader.finish(keys)
    }

    fn resolve_entries(
        &self,
        loader: &Loader<'_>,
        rules: Rules,
        keys: &BTreeSet<Key>,
        chains: Vec<EventIdSet<OwnedEventId>>,
    ) -> Result<State, StoreError> {
        let state_res = super::state_res(rules)?;
        let mut maps: Vec<StateMap<OwnedEventId>> = Vec::with_capacity(self.groups.len());
        for index in 0..self.groups.len() {
            let entries = keys.iter().filter_map(|key| Some((key, self.entry(index, key)?)));
            let entry = |((kind, key), id): (&Key, &OwnedEventId)| {
                ((kind.as_str().into(), key.clone()), id.clone())
            };
            maps.push(entries.map(entry).collect());
        }
        let resolved = resolve_states(
            &rules.authorization,
            state_res,
            maps.iter(),
            chains,
            |id| loader.event(id),
            |conflicted| Some(conflicted_subgraph(loader, conflicted.values().flatten())),
        )
        .map_err(|error| StoreError::corrupt(format!("state resolution: {error}")))?;
        let entries = resolved.into_iter().map(|((kind, key), id)| ((kind.to_string(), key), id));
        loader.finish(entries.collect())
    }

    /// Returns the group of the state that has `resolved` under `keys` and else what all have: one of
    /// the states themselves, if it is that, or a new one on top of the nearest.
    fn group_of(
        &self,
        tx: &Transaction<'_>,
        resolved: &State,
        keys: &BTreeSet<Key>,
    ) -> Result<GroupId, StoreError> {
        let mut nearest: Option<(usize, State)> = None;
        for index in 0..self.groups.len() {
            let is_without =
                |key: &Key| self.entry(index, key).is_some() && !resolved.contains_key(key);
            if keys.iter().any(is_without) {
                continue;
            }
            let differs = |(key, id): &(&Key, &OwnedEventId)| self.entry(index, key) != Some(*id);
            let changes = resolved.iter().filter(differs);
            let changes: State = changes.map(|(key, id)| (key.clone(), id.clone())).collect();
            if nearest.as_ref().is_none_or(|(_, fewest)| changes.len() < fewest.len()) {
                nearest = Some((index, changes));
            }
        }
        match nearest {
            Some((index, changes)) if changes.is_empty() => Ok(self.groups[index]),
            Some((index, changes)) => state::with_changes(tx, self.groups[index], &changes),
            None => {
                let mut whole = state::load(tx, self.groups[0])?;
                whole.retain(|key, _| !keys.contains(key));
                whole.extend(resolved.clone());
                state::whole(tx, &whole)
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! State resolution (through ruma) over state groups of the store.

mod forks;

use std::collections::{BTreeMap, BTreeSet};

use defects::{Defect, planted};
use ruma::{
    OwnedEventId,
    room_version_rules::StateResolutionV2Rules,
    state_res::{StateMap, resolve as resolve_states, utils::event_id_set::EventIdSet},
};
use transport::Transaction;

use self::forks::Forks;
use super::auth::Loader;
use crate::{
    event::rules::Rules,
    store::{
        StoreError,
        state::{self, GroupId, State},
    },
};

/// Returns the state that the states of `groups` resolve to: itself for one, the empty state for
/// none.
pub(crate) fn resolve(
    tx: &Transaction<'_>,
    rules: Rules,
    groups: &BTreeSet<GroupId>,
) -> Result<GroupId, StoreError> {
    let groups: Vec<_> = groups.iter().copied().collect();
    let [first, others @ ..] = groups.as_slice() else { return Ok(state::EMPTY) };
    if others.is_empty() || planted(Defect::StateOfOneBranchWins) {
        return Ok(*first);
    }
    if let Some(group) = state::merged(tx, &groups)? {
        return Ok(group);
    }
    let group = match Forks::of(tx, &groups)? {
        Some(forks) => forks.resolve(tx, rules)?,
        None => resolve_whole(tx, rules, &groups)?,
    };
    state::remember_merge(tx, &groups, group)?;
    Ok(group)
}

/// Resolves states that have little to do with one another: a room that this server learned of anew.
fn resolve_whole(
    tx: &Transaction<'_>,
    rules: Rules,
    groups: &[GroupId],
) -> Result<GroupId, StoreError> {
    let states =
        groups.iter().map(|group| state::load(tx, *group)).collect::<Result<Vec<_>, _>>()?;
    let resolved = resolve_afresh(&Loader::new(tx), rules, &states)?;
    match states.iter().position(|state| *state == resolved) {
        Some(index) => Ok(groups[index]),
        None => state::whole(tx, &resolved),
    }
}

fn resolve_afresh(
    loader: &Loader<'_>,
    rules: Rules,
    states: &[State],
) -> Result<State, StoreError> {
    if states.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(states[0].clone());
    }
    let state_res = state_res(rules)?;
    let maps: Vec<StateMap<OwnedEventId>> = states
        .iter()
        .map(|state| {
            let entries = state.iter();
            entries
                .map(|((kind, key), id)| ((kind.as_str().into(), key.clone()), id.clone()))
                .collect()
        })
        .collect();
    let chains = states
        .iter()
        .map(|state| auth_chain(loader, state.values()).into_iter().collect::<EventIdSet<_>>())
        .collect();
    let resolved = resolve_states(
        &rules.authorization,
        state_res,
        maps.iter(),
        chains,
        |id| loader.event(id),
        |conflicted| Some(conflicted_subgraph(loader, conflicted.values().flatten())),
    )
    .map_err(|error| StoreError::corrupt(format!("state resolution: {error}")))?;
    loader.finish(
        resolved.into_iter().map(|((kind, key), id)| ((kind.to_string(), key), id)).collect(),
    )
}

fn state_res(rules: Rules) -> Result<&'static StateResolutionV2Rules, StoreError> {
    let missing = || StoreError::corrupt("a room of a version without state resolution 2");
    rules.state_res.v2_rules().ok_or_else(missing)
}

/// Returns the events, and all that authorize them, and so on up to the creation of the room.
pub(crate) fn auth_chain<'a>(
    loader: &Loader<'_>,
    events: impl Iterator<Item = &'a OwnedEventId>,
) -> BTreeSet<OwnedEventId> {
    let mut chain = BTreeSet::new();
    let mut next: Vec<OwnedEventId> = events.cloned().collect();
    while let Some(id) = next.pop() {
        if chain.contains(&id) {
            continue;
        }
        if let Some(event) = loader.event(&id) {
            next.extend(event.pdu.auth_events.iter().cloned());
        }
        chain.insert(id);
    }
    chain
}

/// Returns the events on a path of authorization from one conflicted event to another, the
/// conflicted ones among them (room version 12, "conflicted state subgraph").
fn conflicted_subgraph<'a>(
    loader: &Loader<'_>,
    conflicted: impl Iterator<Item = &'a OwnedEventId>,
) -> EventIdSet<OwnedEventId> {
    let mut subgraph: BTreeSet<OwnedEventId> = conflicted.cloned().collect();
    let parents: BTreeMap<_, _> = auth_chain(loader, subgraph.iter())
        .into_iter()
        .filter_map(|id| loader.event(&id).map(|event| (id, event.pdu.auth_events.clone())))
        .collect();
    loop {
        let more: Vec<_> = parents
            .iter()
            .filter(|(id, parents)| {
                !subgraph.contains(*id) && parents.iter().any(|parent| subgraph.contains(parent))
            })
            .map(|(id, _)| id.clone())
            .collect();
        if more.is_empty() {
            return subgraph.into_iter().collect();
        }
        subgraph.extend(more);
    }
}

//! Crossings: a base in which nothing breaks, played with members who act before they have heard of
//! each other. What crosses on its way is the other half of a federation's work, and clients of a test
//! rarely write at the right time for it.

use std::time::Duration;

use scenarios::{
    Scenario,
    scenario::{
        AfterCrash, Delivery, Fault, FaultKind, Latency, Moment, NetworkFault, NodeFault, Op,
        OpKind, When,
    },
};

use super::absences::{MARGINS, absent, cut_off, during, with_faults};
use crate::ways::unused_message;

/// Longer than a message takes to everybody who can be reached.
const HEARD: Duration = Duration::from_secs(1);

/// Longer than it takes until a message is left at a relay, because its destination does not answer.
const LEFT: Duration = Duration::from_secs(55);

/// How long a message takes on each link where all are alike.
const ALIKE: Duration = Duration::from_millis(20);

/// Returns `base` with members of all backends who write in one instant; with two backends of which each
/// hears of the other through a third one only; with a member who leaves while his backend is cut off,
/// and comes back before that is told; and with mail that is spread over two relays of which never both
/// can be reached. None of these if nothing would wait. Under `m1`, with somebody who joins while a
/// message is decided about, and with a sender who leaves before everybody has heard of the decision. None
/// of those for which it has too few backends or relays, or in which something is broken already.
pub(crate) fn crossings(base: &Scenario) -> Vec<Scenario> {
    if !base.faults.is_empty() {
        return Vec::new();
    }
    let delivers = |delivery| base.conversations.values().any(|room| room.delivery == delivery);
    let mut all: Vec<fn(&Scenario) -> Option<Scenario>> = Vec::new();
    if delivers(Delivery::Eventual) {
        all.extend([in_one_instant, past_a_cut_link, left_meanwhile, over_relays_in_turn]);
    }
    if delivers(Delivery::M1) {
        all.extend([joined_meanwhile, left_before_the_decision]);
    }
    all.into_iter().filter_map(|crossing| crossing(base)).collect()
}

/// Somebody of each backend of the room to which the first message goes.
struct Room<'s> {
    base: &'s Scenario,
    /// Its name.
    name: &'s String,
    /// When the first message is sent.
    at: Duration,
    /// One user of each backend, the sender of the first message first.
    people: Vec<&'s String>,
}

impl<'s> Room<'s> {
    fn of_the_first_message(base: &'s Scenario) -> Option<Self> {
        let is_send = |op: &&Op| matches!(op.kind, OpKind::Send { .. });
        let Op { at, kind: OpKind::Send { from, to, .. }, .. } = base.ops.iter().find(is_send)?
        else {
            return None;
        };
        let room = base.conversations.get(to)?;
        let mut people: Vec<&String> = Vec::new();
        for user in std::iter::once(from).chain([&room.creator]).chain(&room.members) {
            let backend = |user: &String| base.users.get(user).map(|it| &it.backend);
            if !people.iter().any(|known| backend(known) == backend(user)) {
                people.push(user);
            }
        }
        Some(Self { base, name: to, at: *at, people })
    }

    /// Returns whether its messages are decided about by more than two backends.
    fn is_decided_about(&self) -> bool {
        let delivery = self.base.conversations.get(self.name).map(|room| room.delivery);
        delivery == Some(Delivery::M1) && self.people.len() > 2
    }

    fn backend(&self, user: &String) -> Vec<String> {
        self.base.users.get(user).map(|it| it.backend.clone()).into_iter().collect()
    }

    fn writes(&self, at: Duration, user: &String, ops: &mut Vec<Op>) {
        let id = unused_message(ops);
        let text = format!("{id} of {user}");
        let kind = OpKind::message(id, user.clone(), self.name.clone(), text);
        ops.push(Op::once(at, kind));
    }
}

/// Nobody writes later, so that what one of them loses of another is not asked for.
fn in_one_instant(base: &Scenario) -> Option<Scenario> {
    let room = Room::of_the_first_message(base).filter(|room| room.people.len() > 2)?;
    let mut scenario = base.clone();
    scenario.ops.clear();
    for user in &room.people {
        room.writes(room.at, user, &mut scenario.ops);
    }
    // What is sent in one instant arrives in one where all links are alike.
    scenario.network.latency = Latency::Fixed(ALIKE);
    Some(scenario)
}

/// Who sends first and the one behind the cut write in turn with the one in between, who has heard of
/// each message that builds on another.
fn past_a_cut_link(base: &Scenario) -> Option<Scenario> {
    let room = Room::of_the_first_message(base)?;
    let [first, between, behind, ..] = room.people[..] else { return None };
    let mut scenario = base.clone();
    scenario.ops.clear();
    for (turn, user) in (0..).zip([first, between, behind, between]) {
        room.writes(room.at + HEARD * turn, user, &mut scenario.ops);
    }
    let (one, other) = (room.backend(first), room.backend(behind));
    let cut = NetworkFault::Partition { between: one, and: other, one_way: false };
    let cut = during(&scenario.ops, cut.into());
    Some(with_faults(scenario, [cut]))
}

/// What others have heard of by the time at which he is back is that he never left. He writes then.
fn left_meanwhile(base: &Scenario) -> Option<Scenario> {
    let room = Room::of_the_first_message(base).filter(|room| room.people.len() > 2)?;
    let creator = &base.conversations.get(room.name)?.creator;
    let user = room.people[1..].iter().find(|user| **user != creator)?.to_owned();
    let own = &base.users.get(user)?.backend;
    let mut scenario = base.clone();
    scenario.ops.clear();
    room.writes(room.at, room.people[0], &mut scenario.ops);
    let conversation = || room.name.clone();
    let leaves = OpKind::Leave { user: user.clone(), conversation: conversation() };
    scenario.ops.push(Op::once(room.at + HEARD, leaves));
    let cut = during(&scenario.ops, cut_off(base, own));
    let back = room.at + HEARD + MARGINS.1 + HEARD;
    let comes_back = OpKind::Join { user: user.clone(), conversation: conversation() };
    scenario.ops.push(Op::once(back, comes_back));
    room.writes(back + HEARD * 2, user, &mut scenario.ops);
    Some(with_faults(scenario, [cut]))
}

/// One of the members comes only when the first message has been sent, and before what another one
/// says of it is heard.
fn joined_meanwhile(base: &Scenario) -> Option<Scenario> {
    let room = Room::of_the_first_message(base).filter(Room::is_decided_about)?;
    let mut scenario = base.clone();
    let joined = scenario.conversations.get_mut(room.name)?;
    let mut others = room.people.iter().copied().filter(|user| **user != joined.creator);
    let newcomer = others.by_ref().rfind(|user| *user != room.people[0])?;
    let slow = others.rfind(|user| *user != room.people[0]).unwrap_or(room.people[0]);
    let owner = room.backend(&joined.creator);
    let (own, slow) = (room.backend(newcomer), room.backend(slow));
    let is_there = |user: &String| base.users.get(user).is_some_and(|it| own == [&*it.backend]);
    joined.members.retain(|user| !is_there(user));
    scenario.ops.clear();
    room.writes(room.at, room.people[0], &mut scenario.ops);
    let joins = OpKind::Join { user: newcomer.clone(), conversation: room.name.clone() };
    scenario.ops.push(Op::once(room.at + HEARD, joins));
    let held = NetworkFault::Hold { between: owner, and: slow, one_way: false };
    let begins = When::At(room.at.saturating_sub(HEARD / 2));
    Some(with_faults(scenario, [Fault::new(begins, Some(HEARD * 3), held.into())]))
}

/// One of the others hears that the sender has left, and then what was decided about the message.
fn left_before_the_decision(base: &Scenario) -> Option<Scenario> {
    let room = Room::of_the_first_message(base).filter(Room::is_decided_about)?;
    let creator = &base.conversations.get(room.name)?.creator;
    let owner = room.backend(creator);
    let mut others = room.people.iter().copied().filter(|user| room.backend(user) != owner);
    let (sender, slow) = (others.next()?, others.next()?);
    let mut scenario = base.clone();
    scenario.ops.clear();
    room.writes(room.at, sender, &mut scenario.ops);
    let leaves = OpKind::Leave { user: sender.clone(), conversation: room.name.clone() };
    scenario.ops.push(Op::once(room.at + HEARD, leaves));
    let slow = room.backend(slow);
    let begins = When::Exchange {
        moment: Moment::Sent,
        endpoints: vec!["decision".to_owned()],
        from: owner.first().cloned(),
        to: slow.first().cloned(),
        nth: 1,
    };
    let held = NetworkFault::Hold { between: owner, and: slow, one_way: true };
    Some(with_faults(scenario, [Fault::new(begins, Some(HEARD * 5), held.into())]))
}

/// The first message is at the relay that the absent backend cannot reach, and the second one, which
/// builds on it, at the one that it can.
fn over_relays_in_turn(base: &Scenario) -> Option<Scenario> {
    let absent = absent(base)?;
    let [out_of_reach, in_reach, ..] = &base.backends.get(&absent)?.relays[..] else {
        return None;
    };
    let room = Room::of_the_first_message(base)?;
    let mut scenario = base.clone();
    scenario.ops.clear();
    let second = room.at + LEFT + HEARD * 10;
    room.writes(room.at, room.people[0], &mut scenario.ops);
    room.writes(second, room.people[0], &mut scenario.ops);
    let mut others: Vec<String> =
        base.backends.keys().filter(|it| **it != absent).cloned().collect();
    others.push(out_of_reach.clone());
    let cut = NetworkFault::Partition { between: vec![absent], and: others, one_way: false };
    let cut = Fault::new(
        When::At(room.at.saturating_sub(HEARD)),
        Some(second + LEFT * 2 - room.at),
        cut.into(),
    );
    let without_power = |node: &String, from: Duration| {
        let kind: FaultKind =
            NodeFault::Crash { node: node.clone(), disk: AfterCrash::LoseUnsynced }.into();
        Fault::new(When::At(from.saturating_sub(HEARD)), Some(LEFT), kind)
    };
    let faults = [cut, without_power(in_reach, room.at), without_power(out_of_reach, second)];
    Some(with_faults(scenario, faults))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use scenarios::{language, vocabulary::HOMESERVERS};

    use super::crossings;
    use crate::{hunt, sources::open};

    #[test]
    fn every_crossing_is_a_valid_scenario_of_which_somebody_is_not_told_at_once() {
        let mut kinds = BTreeSet::new();
        for crossing in hunt::bases().iter().flat_map(crossings) {
            let checked = language::check_in(&HOMESERVERS, open(&crossing));
            let crossing = checked.unwrap_or_else(|e| panic!("{}", e.render(false)));
            assert!(crossing.ops.len() > 1);
            kinds.insert((crossing.ops.len(), crossing.faults.len()));
        }
        assert!(kinds.len() >= 4, "{kinds:?}");
    }
}

//! Sets faults of links.

use std::num::NonZeroU64;

use scenarios::{
    Scenario,
    scenario::{NetworkFault, Reset, Shape, halves},
};
use sim::{
    World,
    fault::{After, BodyReset, Change, Cut, Duplication, FaultId, LinkChange, Part, Refusal},
};

pub(super) fn set(
    world: &World,
    scenario: &Scenario,
    fault: &NetworkFault,
    cause: Option<u64>,
) -> FaultId {
    match fault {
        NetworkFault::Partition { .. } | NetworkFault::Split { .. } | NetworkFault::Shape(_) => {
            if let NetworkFault::Shape(shape) = fault
                && let Some(swizzle) = shape.swizzle()
            {
                return world.swizzle(&swizzle, cause);
            }
            let cut = cut(scenario, fault).expect("these cut, and do nothing else");
            world.partition(&cut, cause)
        }
        NetworkFault::Hold { between, and, one_way } => {
            world.hold(&Cut::of_two(between, and, *one_way), cause)
        }
        NetworkFault::Link { between, and, one_way, latency, loss, bandwidth } => {
            let change = LinkChange {
                from: between.clone(),
                to: and.clone(),
                both_ways: !one_way,
                change: Change {
                    latency: *latency,
                    loss: *loss,
                    bandwidth: bandwidth.and_then(NonZeroU64::new),
                },
            };
            world.change_links(&change, cause)
        }
        NetworkFault::Reset(reset) => world.reset_body(&body_reset(reset), cause),
        NetworkFault::Duplicate { from, to, probability, after } => {
            let (from, to) = (from.clone(), to.clone());
            let (probability, after) = (*probability, *after);
            world.duplicate(&Duplication { from, to, probability, after }, cause)
        }
        NetworkFault::Refuse { node, port } => {
            world.refuse(&Refusal { machine: node.clone(), port: *port }, cause)
        }
        NetworkFault::Hang { node } => world.hang(node, cause),
    }
}

fn body_reset(reset: &Reset) -> BodyReset {
    BodyReset {
        from: reset.from.clone(),
        to: reset.to.clone(),
        part: if reset.answer { Part::Answer } else { Part::Request },
        after: match (reset.bytes, reset.share) {
            (Some(bytes), _) => After::Bytes(bytes),
            (None, share) => After::Share(share.unwrap_or(0.5)),
        },
    }
}

/// What a fault cuts that does nothing else, and stands still.
pub fn cut(scenario: &Scenario, fault: &NetworkFault) -> Option<Cut> {
    Some(match fault {
        NetworkFault::Partition { between, and, one_way } => Cut::of_two(between, and, *one_way),
        NetworkFault::Split { groups } => Cut::Groups(groups.clone()),
        NetworkFault::Shape(shape) => cut_of(shape, shape.members(scenario))?,
        _ => return None,
    })
}

/// What a shape cuts; nothing that stays, if it turns.
fn cut_of(shape: &Shape, members: Vec<String>) -> Option<Cut> {
    Some(match shape {
        Shape::Isolate { one, .. } => Cut::Between(vec![one.clone()], members),
        // What is listed in neither half keeps all its links, as the bridge does.
        Shape::Halves { .. } | Shape::Bridge { .. } => {
            let (one, other) = halves(&members);
            Cut::Between(one.to_vec(), other.to_vec())
        }
        Shape::Ring { .. } => Cut::Ring(members),
        Shape::Swizzle { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use scenarios::{
        Scenario,
        builder::{bridge, halves, isolate, ring},
        scenario::NetworkFault,
    };
    use sim::fault::Cut;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn cut(fault: &NetworkFault) -> Cut {
        let scenario = Scenario::build("x").backends(["a", "b", "c", "d", "e"]).finish();
        super::cut(&scenario, fault).expect("it only cuts")
    }

    #[test]
    fn every_shape_cuts_what_its_name_says() {
        let between = |one: &[&str], other: &[&str]| Cut::Between(names(one), names(other));
        assert_eq!(cut(&isolate("c")), between(&["c"], &["a", "b", "d", "e"]));
        assert_eq!(cut(&halves(["d", "a", "b"])), between(&["d", "a"], &["b"]));
        assert_eq!(cut(&bridge("b")), between(&["a", "c"], &["d", "e"]));
        assert_eq!(cut(&ring(["a", "c", "b", "d"])), Cut::Ring(names(&["a", "c", "b", "d"])));
    }
}

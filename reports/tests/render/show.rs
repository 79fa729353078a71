//! The journal for terminals.

use std::collections::BTreeSet;

use reports::{
    Source,
    journal::{Filter, Which, lines},
};

use crate::sample;

fn all() -> Filter {
    Filter {
        which: Which::All,
        nodes: BTreeSet::new(),
        from_ns: None,
        to_ns: None,
        message: None,
        endpoint: None,
    }
}

fn numbers(filter: &Filter) -> Vec<u64> {
    filter.of(&sample::talk()).iter().map(|event| event.n).collect()
}

#[test]
fn an_entry_is_a_line_that_lines_up_with_the_others() {
    let record = sample::talk();
    let events = all().of(&record);
    insta::assert_snapshot!(lines(&Source::of(&record), &events, false).join("\n"));
}

#[test]
fn entries_are_found_by_machine_time_message_and_endpoint() {
    let nodes = ["c".to_owned()].into();
    assert_eq!(numbers(&Filter { nodes, ..all() }), [7, 8, 9]);
    let endpoint = Some("client_send".to_owned());
    assert_eq!(numbers(&Filter { endpoint, ..all() }), [3, 4, 11, 12]);
    let (from_ns, to_ns) = (Some(60_000_000), Some(65_000_000));
    assert_eq!(numbers(&Filter { from_ns, to_ns, ..all() }), [12, 13]);
    let message = Some("nobody's".to_owned());
    assert!(numbers(&Filter { message, ..all() }).is_empty());
}

#[test]
fn causes_are_followed_to_the_first_one() {
    let chain = numbers(&Filter { which: Which::Why(4), ..all() });
    assert_eq!(chain, [1, 2, 3, 4]);
    let around = numbers(&Filter { which: Which::Around(12), ..all() });
    assert_eq!(around, (2..=16).collect::<Vec<_>>());
    let evidence = numbers(&Filter { which: Which::Evidence(String::new()), ..all() });
    assert_eq!(evidence, [3, 5, 6, 7, 9, 13, 14]);
}

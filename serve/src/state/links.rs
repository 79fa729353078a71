//! Which links a fault cuts, holds or changes, read from its words.

use serde::Serialize;

/// A link between two machines that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Link<'r> {
    from: &'r str,
    to: &'r str,
    /// Whether only that way is meant.
    one_way: bool,
    how: How,
}

/// What a fault does to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum How {
    /// Nothing gets through.
    Cut,
    /// What is sent waits at the other end.
    Held,
    /// It is slower, or loses more, than it should.
    Changed,
}

/// Returns the links. Of a fault whose words do not name every machine, or say when which link is
/// cut, none: its words are shown, and nothing is guessed.
pub(super) fn of(what: &str, is_machine: impl Fn(&str) -> bool) -> Vec<Link<'_>> {
    let Some((word, rest)) = what.split_once(' ') else { return Vec::new() };
    let how = match word {
        "partition" => How::Cut,
        "hold" => How::Held,
        "link" => How::Changed,
        _ => return Vec::new(),
    };
    let names = |side| machines(side, &is_machine);
    if let Some(ring) = rest.strip_prefix("ring ") {
        return names(ring).map(|ring| around(&ring, how)).unwrap_or_default();
    }
    let between = [" | ", " <-> ", " -> "].into_iter().find(|between| rest.contains(between));
    let Some(between) = between else { return Vec::new() };
    let sides: Option<Vec<Vec<&str>>> = rest.split(between).map(names).collect();
    let Some(sides) = sides else { return Vec::new() };
    let mut links = Vec::new();
    for (place, side) in sides.iter().enumerate() {
        for other in &sides[place + 1..] {
            let pairs = side.iter().flat_map(|from| other.iter().map(move |to| (*from, *to)));
            links.extend(pairs.map(|(from, to)| Link {
                from,
                to,
                one_way: between == " -> ",
                how,
            }));
        }
    }
    links
}

/// Returns the machines that a side names; none if it says something else, too.
fn machines<'r>(side: &'r str, is_machine: &impl Fn(&str) -> bool) -> Option<Vec<&'r str>> {
    let names = side.split(", ").map(str::trim);
    names.map(|name| Some(name).filter(|name| is_machine(name))).collect()
}

/// Returns the links that are cut where a ring is left: those between machines that are not
/// neighbors in it.
fn around<'r>(ring: &[&'r str], how: How) -> Vec<Link<'r>> {
    let mut links = Vec::new();
    for (place, from) in ring.iter().enumerate() {
        for (other, to) in ring.iter().enumerate().skip(place + 2) {
            if place > 0 || other + 1 < ring.len() {
                links.push(Link { from, to, one_way: false, how });
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::of;

    fn cut(what: &str) -> Vec<String> {
        let links = of(what, |name| ["a", "b", "c", "d", "bob/1"].contains(&name));
        links
            .iter()
            .map(|it| format!("{}{}{}", it.from, if it.one_way { ">" } else { "-" }, it.to))
            .collect()
    }

    #[test]
    fn the_links_between_the_sides_of_a_fault_are_named() {
        assert_eq!(cut("partition a, b | c"), ["a-c", "b-c"]);
        assert_eq!(cut("partition a | b | c"), ["a-b", "a-c", "b-c"]);
        assert_eq!(cut("partition a -> b"), ["a>b"]);
        assert_eq!(cut("hold bob/1 | b"), ["bob/1-b"]);
        assert_eq!(cut("link a <-> b"), ["a-b"]);
        assert_eq!(cut("partition ring a, b, c, d"), ["a-c", "b-d"]);
    }

    #[test]
    fn nothing_is_guessed_of_a_fault_that_does_not_name_every_machine() {
        for what in ["partition a, b and 8 more | c", "crash a", "swizzle a, b, c", "partition"] {
            assert!(cut(what).is_empty(), "{what}");
        }
    }
}

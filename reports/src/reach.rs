//! Where a fault lies, read from its words: the machines that it names, and whether it stands
//! between two sides.

use checks::record::FaultRecord;

/// Where a fault lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach<'r> {
    /// The machines on each of its sides; all that it names on one, if it has no sides.
    pub sides: Vec<Vec<&'r str>>,
}

impl<'r> Reach<'r> {
    /// Reads the words of a fault. What is not the name of a machine is passed over.
    pub fn of(what: &'r str, is_machine: impl Fn(&str) -> bool) -> Self {
        let between = [" | ", " -> "].into_iter().find(|between| what.contains(between));
        let sides = between.map_or_else(|| vec![what], |between| what.split(between).collect());
        let names = |text: &'r str| {
            let words = text.split([' ', ',']).map(|word| word.trim_matches(['(', ')', ':']));
            words.filter(|word| is_machine(word)).collect::<Vec<_>>()
        };
        let sides = sides.into_iter().map(names).filter(|side| !side.is_empty());
        Self { sides: sides.collect() }
    }

    /// Returns whether it names no machine.
    pub fn is_nowhere(&self) -> bool {
        self.sides.is_empty()
    }

    /// Returns whether it stops or changes this machine, and not what is between machines.
    pub fn is_on(&self, machine: &str) -> bool {
        matches!(&self.sides[..], [all] if all.contains(&machine))
    }
}

/// Returns whether a fault was in force at some time between these two, counted from the moment
/// the cluster was ready.
pub fn overlaps(fault: &FaultRecord, from_ns: u64, until_ns: u64) -> bool {
    fault.from_ns.is_some_and(|began| {
        began <= until_ns && fault.until_ns.is_none_or(|ended| ended >= from_ns)
    })
}

#[cfg(test)]
mod tests {
    use super::Reach;

    #[test]
    fn a_fault_lies_between_its_sides_or_on_its_machines() {
        let reach = |what| Reach::of(what, |name| ["a", "b", "c", "r1"].contains(&name));
        let cut = reach("partition a, c | b");
        assert_eq!(cut.sides, [vec!["a", "c"], vec!["b"]]);
        assert!(!cut.is_on("b") && reach("crash r1").is_on("r1"));
        assert_eq!(reach("failing disk of b").sides, [["b"]]);
        assert_eq!(reach("partition a | b | c").sides, [["a"], ["b"], ["c"]]);
        assert!(reach("nothing of ours").is_nowhere());
    }
}

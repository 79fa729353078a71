//! What is written is read back as the same scenario.

use proptest::prelude::*;
use scenarios::language::{parse, to_toml};

use crate::drawn;

proptest! {
    #[test]
    fn a_scenario_survives_its_canonical_text(scenario in drawn::scenario()) {
        let text = to_toml(&scenario);
        let read = parse("drawn.toml", &text).map_err(|mistakes| {
            TestCaseError::fail(format!("{mistakes}\n{text}"))
        })?;
        prop_assert_eq!(&read, &scenario);
        prop_assert_eq!(to_toml(&read), text);
    }
}

//! Each scenario of the regressions, which come first because they broke before, and of the library
//! is a test of its own name, with its report as a snapshot; and its journal, kept and read back,
//! gives the same record.

fedsim::scenario_tests!(runs::Homeservers::default, "scenarios/regressions", "scenarios/library",);

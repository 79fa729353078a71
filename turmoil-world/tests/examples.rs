//! The example of the documentation runs.

#[path = "../examples/bank.rs"]
mod bank;

#[test]
fn what_a_bank_acknowledged_survives_a_power_loss() {
    bank::run().expect("nothing is lost");
}

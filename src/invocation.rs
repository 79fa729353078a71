//! How this program was started, so that the commands that it prints work where the user stands.

use std::{env, path::Path};

/// Returns what a command line that starts this program again begins with: `fedsim` if that is
/// found by its name, `cargo run --release --` if cargo started it, and else the path that was
/// written.
pub(crate) fn program() -> String {
    let written = env::args().next().unwrap_or_default();
    of(&written, env::var_os("CARGO").is_some())
}

fn of(written: &str, by_cargo: bool) -> String {
    let path = Path::new(written);
    let is_built = path.is_relative() && path.starts_with("target");
    match (is_built && by_cargo, path.components().count()) {
        (true, _) if path.starts_with("target/release") => "cargo run --release --".to_owned(),
        (true, _) => "cargo run --".to_owned(),
        (false, 2..) => written.to_owned(),
        (false, _) => "fedsim".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn printed_commands_begin_as_the_one_that_was_written() {
        assert_eq!(of("fedsim", true), "fedsim");
        assert_eq!(of("target/release/fedsim", true), "cargo run --release --");
        assert_eq!(of("target/debug/fedsim", true), "cargo run --");
        assert_eq!(of("target/debug/fedsim", false), "target/debug/fedsim");
        assert_eq!(of("/opt/bin/fedsim", true), "/opt/bin/fedsim");
    }
}

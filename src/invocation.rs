//! How this program was started, so that the commands that it prints work where the user stands.

use std::{env, path::Path};

use reports::shell;

/// Returns what a command line that starts this program again begins with: its name if it was found
/// by that, `cargo run --release --` if cargo started it, and else the path that was written.
pub(crate) fn program() -> String {
    let written = env::args().next().unwrap_or_default();
    of(&written, env::var_os("CARGO").is_some())
}

fn of(written: &str, by_cargo: bool) -> String {
    let path = Path::new(written);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("fedsim");
    let is_built = path.is_relative() && path.starts_with("target");
    if !(is_built && by_cargo) {
        let is_found_by_name = path.components().count() < 2;
        return if is_found_by_name { name.to_owned() } else { shell::word(path) };
    }
    let release = if path.starts_with("target/release") { " --release" } else { "" };
    let is_example = path.parent().is_some_and(|folder| folder.ends_with("examples"));
    match name {
        _ if is_example => format!("cargo run{release} --example {name} --"),
        "fedsim" => format!("cargo run{release} --"),
        _ => format!("cargo run{release} --bin {name} --"),
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
        assert_eq!(of("/my tools/fedsim", true), "'/my tools/fedsim'");
        assert_eq!(of("target/debug/examples/echo", true), "cargo run --example echo --");
        assert_eq!(of("target/release/own", true), "cargo run --release --bin own --");
    }
}

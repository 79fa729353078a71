//! Paths in the commands that are printed, as a shell reads them.

use std::path::Path;

/// Returns the path as one word of a POSIX shell: in quotes if it has spaces or anything else that a shell
/// gives a meaning.
pub fn word(path: &Path) -> String {
    let shown = path.display().to_string();
    // Only a zero byte cannot be quoted, and no path has one.
    shlex::try_quote(&shown).map(Into::into).unwrap_or(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_only_if_a_shell_would_misread_it() {
        let quoted = |path: &str| word(Path::new(path));
        assert_eq!(quoted("target/fedsim/a-1/run.json"), "target/fedsim/a-1/run.json");
        assert_eq!(quoted("my runs/a-1"), "'my runs/a-1'");
        assert_eq!(quoted("it's $HOME"), r#""it's "'$HOME'"#);
    }
}

//! The fenced blocks of a page: commands, what they print, and everything else.

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// The line on which its text begins.
    pub(crate) line: usize,
    /// What stands behind its fence: `sh`, `toml`; nothing for what is printed.
    pub(crate) kind: String,
    pub(crate) text: String,
}

/// Returns the blocks of a page, in order.
pub(crate) fn of(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().zip(1..);
    while let Some((fence, at)) = lines.by_ref().find(|(line, _)| line.starts_with("```")) {
        let marks = fence.chars().take_while(|c| *c == '`').count();
        let inside = lines.by_ref().take_while(|(line, _)| *line != "`".repeat(marks));
        let text: Vec<&str> = inside.map(|(line, _)| line).collect();
        let kind = fence[marks..].trim().to_owned();
        blocks.push(Block { line: at + 1, kind, text: text.join("\n") });
    }
    blocks
}

impl Block {
    /// Returns whether it is a list of commands.
    pub(crate) fn is_of_commands(&self) -> bool {
        let begins = ["fedsim ", "cargo ", "$ "];
        let plain = self.kind.is_empty() && begins.iter().any(|it| self.text.starts_with(it));
        ["sh", "bash", "console"].contains(&&*self.kind) || plain
    }

    /// Returns whether it is what a command prints, or a file that it writes.
    pub(crate) fn is_printed(&self) -> bool {
        self.kind.is_empty() && !self.is_of_commands()
    }

    /// Returns its commands: without prompts and comments, and each on one line. What they do with
    /// `cargo run`, the program does that was built for this test.
    pub(crate) fn commands(&self) -> Vec<String> {
        let whole = self.text.replace("\\\n", " ");
        let commands = whole.lines().map(|line| {
            let line = line.split(" # ").next().unwrap_or_default();
            let words: Vec<&str> = line.trim_start_matches("$ ").split_whitespace().collect();
            by_name(&words.join(" "))
        });
        commands.filter(|command| !command.is_empty() && !command.starts_with('#')).collect()
    }
}

/// Returns text with the program named as one that was installed.
pub(crate) fn by_name(text: &str) -> String {
    text.replace("cargo run --release -- ", "fedsim ").replace("cargo run -- ", "fedsim ")
}

//! The README and the pages of `docs` say what the program does: every command in them is run here, and
//! what it prints is compared, or it is left out by name, with the reason.

mod blocks;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::blocks::{Block, by_name};

/// The pages whose commands are run, and what comes before the first of them. Those of one line are
/// followed in one folder, where no command is run twice.
const RUN: &[(&[&str], &str)] = &[
    (&["docs/first-violation.md", "README.md"], ":"),
    (&["docs/journal.md"], JUDGED),
    (&["docs/reports.md", "docs/serve.md"], MINE),
];

/// Leaves the run that is judged again.
const JUDGED: &str =
    "fedsim run scenarios/library -f m1-2021-cut-between-check-and-store --journal always";

/// Writes `mine.toml`, which fails, and has as many entries as the commands ask for.
const MINE: &str = "sed -e 's/^name = .*/name = \"mine\"/' -e 's/delivery = \"m1\"/delivery = \"m1-2021\"/' \
                    scenarios/library/m1-cut-between-prepare-and-commit.toml > mine.toml";

/// What is not run, or not compared: the page, what the command or the printed text begins with, and
/// why.
const LEFT_OUT: &[(&str, &str, &str)] = &[
    ("README.md", "fedsim run scenarios/library", "tests/library.rs plays the library"),
    ("README.md", "cargo test", "it is what runs this test"),
    ("README.md", "cargo run --release -p", "tests/processes starts the servers"),
    ("README.md", "homeserver ", "tests/processes operates a homeserver"),
    ("README.md", "relay ", "tests/processes operates a relay"),
    ("README.md", "relayctl ", "tests/processes operates a relay"),
    ("docs/campaigns.md", "", "tests/campaigns has campaigns, which take long and need servers"),
    ("docs/defects.md", "cargo build", "it builds the program anew"),
    ("docs/exploring.md", "fedsim explore", "a search takes from minutes to a night"),
    ("docs/exploring.md", "    Summary", "it was measured, over the whole library"),
    ("docs/findings.md", "fedsim run --world live", "it needs Synapse"),
    ("docs/protocols.md", "{ \"statement\"", "it is what is sealed"),
    ("docs/protocols.md", "{ \"edu_type\"", "it is what a relay carries"),
    ("docs/first-violation.md", "git clone", "it is where this test is"),
    (
        "docs/first-violation.md",
        "fedsim run scenarios/library",
        "tests/library.rs plays the library",
    ),
    (
        "docs/first-violation.md",
        "fedsim explore scenarios/library/m1-all-up.toml --runs 300",
        "it takes minutes",
    ),
    ("docs/first-violation.md", "    Summary [ 25.480s]", "it was measured, in such a search"),
    ("docs/live.md", "fedsim run --world live", "tests/live plays real processes"),
    ("docs/operating.md", "error: `backoff_max`", "a test of homeserver/src/config compares it"),
    ("docs/protocols.md", " ", "a drawing"),
    ("docs/serve.md", "fedsim serve", "it goes on until Ctrl-C; tests/serve asks it"),
    (
        "docs/turmoil.md",
        "cargo run -p turmoil-world",
        "it is an example of another package, which has a test",
    ),
    (
        "docs/your-own-server.md",
        "cargo run --example",
        "tests/echo_federation.rs plays the example",
    ),
    ("docs/your-own-server.md", "ECHO_FLAW=", "tests/echo_federation.rs plays the example"),
    ("docs/your-own-server.md", "  FAIL echo-cut", "tests/echo_federation.rs compares it"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the place in [`LEFT_OUT`] of what begins like that.
fn left_out(page: &str, text: &str) -> Option<usize> {
    LEFT_OUT.iter().position(|(on, begins, _)| *on == page && text.starts_with(begins))
}

/// Returns the README and every page of `docs`.
fn pages() -> Vec<String> {
    let entries = fs::read_dir(root().join("docs")).expect("it can be listed").flatten();
    let names = entries.map(|entry| format!("docs/{}", entry.file_name().to_string_lossy()));
    let mut pages: Vec<String> =
        names.filter(|name| Path::new(name).extension().is_some_and(|it| it == "md")).collect();
    pages.push("README.md".to_owned());
    pages.sort();
    pages
}

#[test]
fn every_command_and_everything_printed_is_run_or_left_out_by_name() {
    let mut used = BTreeSet::new();
    for name in pages() {
        let is_run = RUN.iter().any(|(run, _)| run.contains(&&*name));
        for block in blocks::of(&page(&name)) {
            let printed = block.is_printed().then(|| block.text.clone());
            let commands = if block.is_of_commands() { block.commands() } else { Vec::new() };
            for text in commands.into_iter().chain(printed) {
                let place = left_out(&name, &text);
                used.extend(place);
                let remedy = "add the page to RUN, or the text to LEFT_OUT with the reason";
                assert!(is_run || place.is_some(), "{name}:{}: {remedy}:\n{text}", block.line);
            }
        }
    }
    let unused: Vec<_> =
        (0..LEFT_OUT.len()).filter(|n| !used.contains(n)).map(|n| LEFT_OUT[n]).collect();
    assert_eq!(unused, [], "it is on no page any more");
}

/// Where commands are run, one after the other.
struct Terminal {
    folder: TempDir,
    /// What each command has printed.
    known: BTreeMap<String, String>,
    /// What was printed since something printed was compared.
    said: String,
}

impl Terminal {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["scenarios", "examples"] {
            symlink(root().join(name), folder.path().join(name)).expect("linked");
        }
        fs::create_dir(folder.path().join("bin")).expect("made");
        symlink(env!("CARGO_BIN_EXE_fedsim"), folder.path().join("bin/fedsim")).expect("linked");
        Self { folder, known: BTreeMap::new(), said: String::new() }
    }

    fn run(&self, command: &str) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("sh")
            .args(["-c", command])
            .current_dir(&self.folder)
            .env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()))
            .env_remove("CARGO")
            .env_remove("CLICOLOR_FORCE")
            .output()
            .expect("a shell starts")
    }

    /// Runs a command of a page: whether what it plays keeps its promises is told by what it prints.
    fn enter(&mut self, place: &str, command: &str) {
        if let Some(printed) = self.known.get(command) {
            return self.said.push_str(printed);
        }
        let output = self.run(command);
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        let is_done = output.status.code().is_some_and(|code| code < 2);
        assert!(is_done, "{place}: {command}\n{}\n{printed}", output.status);
        self.said.push_str(&printed);
        self.known.insert(command.to_owned(), printed);
    }

    /// Compares a printed block with what the commands before it have said, or else have reported. A
    /// page need not have every line.
    fn compare(&mut self, place: &str, block: &Block) {
        let report = self.folder.path().join("target/fedsim/latest/report.txt");
        let report = fs::read_to_string(report).unwrap_or_default();
        let lines = timeless(&block.text);
        let missing = [&*self.said, &report].map(|text| first_missing(&lines, &timeless(text)));
        if let [Some(missing), Some(_)] = missing {
            panic!(
                "{place}: nothing printed this line, in its place: {missing}\n{}\n{report}",
                self.said
            );
        }
        self.said.clear();
    }
}

/// Returns lines with the program called by its name, and without the time that a machine took.
fn timeless(text: &str) -> Vec<String> {
    let without = |line: &str| match (line.find('['), line.find("s]")) {
        (Some(begin), Some(end)) if begin < end => {
            format!("{}{}", &line[..begin], &line[end + 2..])
        }
        _ => line.to_owned(),
    };
    by_name(text).lines().map(|line| without(line).trim_end().to_owned()).collect()
}

/// Returns the first of `lines` that does not come in `all`, behind those before it.
fn first_missing<'l>(lines: &'l [String], all: &[String]) -> Option<&'l str> {
    let mut rest = all.iter();
    lines.iter().find(|line| !rest.any(|other| other == *line)).map(String::as_str)
}

/// Runs what is not left out of a page; returns how many commands those were.
fn follow(terminal: &mut Terminal, name: &str) -> usize {
    let mut count = 0;
    for block in blocks::of(&page(name)) {
        let place = format!("{name}:{}", block.line);
        if block.is_of_commands() {
            for command in block.commands() {
                if left_out(name, &command).is_none() {
                    terminal.enter(&place, &command);
                    count += 1;
                }
            }
        } else if block.is_printed() && left_out(name, &block.text).is_none() {
            terminal.compare(&place, &block);
        }
    }
    count
}

#[test]
fn what_the_pages_print_is_what_their_commands_print() {
    for (names, before) in RUN {
        let mut terminal = Terminal::open();
        assert!(terminal.run(before).status.code().is_some_and(|code| code < 2), "{before}");
        for name in *names {
            assert!(follow(&mut terminal, name) > 0, "{name} has no command");
        }
    }
}

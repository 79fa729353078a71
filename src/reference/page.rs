//! All topics on one page of Markdown, which is kept as `docs/language.md`.

use std::fmt::Write as _;

use scenarios::Vocabulary;

use super::{Block, Sort, Topic, topics::topics};

/// What stands before everything.
const HEAD: &str = "\
# The scenario language

Every key of a scenario file, every operation, fault, check and endpoint that one can name, and every mistake that reading one \
can find. This page is generated from the tables that files are read with: `fedsim explain --all` prints it, \
`fedsim explain crash` a part of it, and `fedsim schema scenario` the same as a JSON schema for editors.

An editor that knows TOML schemas (VS Code with Even Better TOML, and others with taplo) completes and checks a file whose first \
line is `#:schema ./scenario.schema.json`, once `fedsim schema scenario > scenario.schema.json` has written that.

Examples of operations, faults, checks and endpoints take this world for granted:

```toml
name = \"example\"

[backends]
a = {}
b = {}
c = {}

[relays]
r1 = {}

[users]
alice = { backend = \"a\" }
bob = { backend = \"b\" }

[conversations]
team = { creator = \"bob\", members = [\"alice\"] }

[[ops]]
at = \"1s\"
send = { id = \"m0\", from = \"bob\", to = \"team\" }
```
";

/// Returns the page about the language of a federation.
pub fn page(vocabulary: &Vocabulary) -> String {
    let mut page = HEAD.to_owned();
    let mut sort = None;
    for topic in topics(vocabulary) {
        if sort != Some(topic.sort) {
            sort = Some(topic.sort);
            write!(page, "\n## {}\n", heading(topic.sort)).expect("a String takes all text");
        }
        add(&topic, &mut page);
    }
    page
}

fn heading(sort: Sort) -> &'static str {
    match sort {
        Sort::Section => "Sections",
        Sort::Operation => "Operations: `[[ops]]`",
        Sort::Fault => "Faults: `[[faults]]`",
        Sort::Check => "Checks: `[expect]`",
        Sort::Endpoint => "Endpoints",
        Sort::Mistake => "Mistakes",
    }
}

fn add(topic: &Topic, page: &mut String) {
    if topic.sort == Sort::Mistake {
        let means = topic.blocks.iter().map(|block| match block {
            Block::Text(text) => text.as_str(),
            Block::Keys(_) | Block::Example(_) => "",
        });
        let means: String = means.collect();
        return write!(page, "\n- `{}`: {means}", topic.name).expect("a String takes all text");
    }
    let name =
        if topic.name == "file" { "The head".to_owned() } else { format!("`{}`", topic.name) };
    write!(page, "\n### {name}\n").expect("a String takes all text");
    for block in &topic.blocks {
        let text = match block {
            Block::Text(text) => format!("\n{text}\n"),
            Block::Example(text) => format!("\n```toml\n{text}```\n"),
            Block::Keys(keys) if keys.is_empty() => String::new(),
            Block::Keys(keys) => table(keys),
        };
        page.push_str(&text);
    }
}

fn table(keys: &[(String, scenarios::language::reference::Key)]) -> String {
    let mut table = String::from(
        "\n| key | what it is | without it | meaning | example |\n|---|---|---|---|---|\n",
    );
    for (place, key) in keys {
        let default = match key.default {
            None => "**required**",
            Some("") => "one of these is given",
            Some(default) => default,
        };
        let cells = [
            format!("`{place}`"),
            key.value.words(),
            default.to_owned(),
            key.means.to_owned(),
            format!("`{}`", key.example),
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        writeln!(table, "| {} |", cells.join(" | ")).expect("a String takes all text");
    }
    table
}

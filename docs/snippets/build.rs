//! Makes a module for every snippet in the pages of `docs` that is marked `rust`. The snippet
//! becomes the module's documentation, so that `cargo test` compiles it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// What comes before a snippet: it is the body of a function that is given the values that the
/// pages use. `# ` hides a line from documentation.
const BEFORE: &str = "```rust
# use doc_snippets::*;
# fn snippet(given: Given<'_>) -> Result<(), Box<dyn std::error::Error>> {
# let Given { mut sim, machine, scenario, seed, path } = given;
";
const AFTER: &str = "
# Ok(())
# }
```
";

fn main() -> io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    println!("cargo::rerun-if-changed={}", docs.display());
    let mut modules = Vec::new();
    for page in pages(&docs)? {
        println!("cargo::rerun-if-changed={}", page.display());
        let name = page.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        for (line, snippet) in snippets(&fs::read_to_string(&page)?) {
            let text = [BEFORE, &snippet, AFTER].concat();
            let name = name.replace('-', "_");
            modules.push(format!("#[doc = {text:?}]\npub mod {name}_md_line_{line} {{}}\n"));
        }
    }
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&out).join("snippets.rs"), modules.concat())
}

fn pages(docs: &Path) -> io::Result<Vec<PathBuf>> {
    let found = fs::read_dir(docs)?.map(|entry| Ok(entry?.path()));
    let mut pages = found.collect::<io::Result<Vec<_>>>()?;
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.extend(
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|it| docs.join("..").join(it)),
    );
    Ok(pages)
}

/// Returns the snippets of a page, each with the number of the line that it begins on.
fn snippets(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = page.lines().zip(1..);
    while let Some((_, fence)) = lines.find(|(line, _)| *line == "```rust") {
        let code = lines.by_ref().map(|(line, _)| line).take_while(|line| *line != "```");
        // rustdoc leaves out what is marked as a test before anything compiles it, so the mark
        // goes.
        let code: Vec<_> = code.filter(|line| *line != "#[test]").collect();
        found.push((fence + 1, code.join("\n")));
    }
    found
}

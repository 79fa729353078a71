//! The reference of the language: the page is fresh, every example on it is right, and the schema
//! accepts what the language does.

use std::{fs, path::Path};

use fedsim::reference;
use scenarios::{
    language::{self, schema::schema},
    vocabulary::HOMESERVERS,
};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_page_about_the_language_is_fresh() {
    let kept = fs::read_to_string(root().join("docs/language.md")).unwrap_or_default();
    let fresh = reference::page(&HOMESERVERS);
    let difference = kept.lines().zip(fresh.lines()).find(|(kept, fresh)| kept != fresh);
    let remedy = "renew it: cargo run -- explain --all > docs/language.md";
    assert!(kept == fresh, "{remedy}\nkept, and fresh: {difference:#?}");
}

/// Returns the examples on the page: the first one is the world that the others take for granted.
fn examples() -> Vec<toml::Table> {
    let page = reference::page(&HOMESERVERS);
    let blocks = page.split("```toml\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap_or_default());
    blocks
        .map(|text| toml::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")))
        .collect()
}

/// Puts an example into the world: lists grow, and everything else is replaced.
fn within(world: &toml::Table, example: toml::Table) -> toml::Table {
    let mut whole = world.clone();
    for (key, value) in example {
        match (whole.get_mut(&key), value) {
            (Some(toml::Value::Array(known)), toml::Value::Array(more)) => known.extend(more),
            (Some(toml::Value::Table(known)), toml::Value::Table(more)) => known.extend(more),
            (_, value) => drop(whole.insert(key, value)),
        }
    }
    whole
}

#[test]
fn every_example_on_the_page_is_right_in_its_world() {
    let mut examples = examples().into_iter();
    let world = examples.next().expect("the page has a world");
    let mut count = 0;
    for example in examples {
        let text = toml::to_string(&within(&world, example)).expect("it was TOML");
        let read = language::parse("example", &text);
        assert!(read.is_ok(), "{text}\n{}", read.expect_err("it is wrong"));
        count += 1;
    }
    assert!(count > 100, "{count} examples");
}

/// Returns a scenario file as a value for a schema.
fn as_json(text: &str) -> Value {
    let table: toml::Table = toml::from_str(text).expect("it is TOML");
    serde_json::to_value(table).expect("it has no date")
}

fn files() -> Vec<std::path::PathBuf> {
    let folders = ["scenarios/library", "scenarios/regressions", "examples/echo_federation"];
    let folders =
        folders.map(|folder| fs::read_dir(root().join(folder)).expect("it can be listed"));
    let files = folders.into_iter().flatten().map(|entry| entry.expect("it can be read").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
}

#[test]
fn the_schema_accepts_every_scenario_of_the_library() {
    let validator = jsonschema::draft7::new(&schema(&HOMESERVERS)).expect("it is a schema");
    let of_ours = |path: &&std::path::PathBuf| !path.starts_with(root().join("examples"));
    for path in files().iter().filter(of_ours) {
        let file = as_json(&fs::read_to_string(path).expect("it can be read"));
        let wrong = validator.iter_errors(&file).next();
        assert!(wrong.is_none(), "{}: {wrong:?}", path.display());
    }
}

#[test]
fn the_schema_refuses_what_no_scenario_can_say() {
    let validator = jsonschema::draft7::new(&schema(&HOMESERVERS)).expect("it is a schema");
    let fault = |fault: &str| {
        as_json(&format!("name = \"x\"\n[backends]\na = {{}}\n[[faults]]\n{fault}\n"))
    };
    assert!(validator.is_valid(&fault("at = \"1s\"\ncrash = { node = \"a\" }")));
    for wrong in [
        "crash = { node = \"a\" }",
        "at = \"1s\"\ncrash = { nod = \"a\" }",
        "at = \"1\"\ncrash = { node = \"a\" }",
        "at = \"1s\"\ncrash = { node = \"a\" }\nkill = { node = \"a\" }",
        "when = { sent = \"sned\" }\ncrash = { node = \"a\" }",
        "at = \"1s\"\ncrash = { node = \"a\", disk = \"gone\" }",
    ] {
        assert!(!validator.is_valid(&fault(wrong)), "{wrong}");
    }
}

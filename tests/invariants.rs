//! The invariants of ARCHITECTURE.md, each kept by looking at the source tree itself.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use defects::Defect;
use scenarios::vocabulary::ENDPOINTS;

/// Returns the root of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns every crate that `package` is built from, including itself and without dev-dependencies.
fn crates_of(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", package, "--edges", "normal,build", "--prefix", "none"])
        .args(["--offline", "--locked", "--format", "{p}"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("crate names are text");
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Returns the Rust files below `folder`, with their text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("source is text");
                found.push((path, text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder} has no source");
    found
}

/// Returns the lines of code below `folder` that contain one of `words`, as `file:line: text`.
fn lines_with(folder: &str, words: &[&str], except: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, text) in sources(folder) {
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        // Unit tests are at the end of a file, or in one called `tests`, and may do as they please.
        if path.ends_with("tests.rs") || except.iter().any(|exempt| name.starts_with(exempt)) {
            continue;
        }
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in product.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| code.contains(word)) {
                lines.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    lines
}

/// Returns those of `crates` that `package` is built from.
fn foreign_to(package: &str, crates: &[&str]) -> Vec<String> {
    crates_of(package).into_iter().filter(|name| crates.contains(&&**name)).collect()
}

const NONE: &[String] = &[];

#[test]
fn nodes_are_built_without_the_simulator() {
    for package in ["homeserver", "relay"] {
        let foreign = ["sim", "journal", "scenarios", "turmoil", "turmoil-net", "proptest"];
        assert_eq!(foreign_to(package, &foreign), NONE, "{package}");
    }
}

#[test]
fn who_plays_servers_of_ones_own_does_not_build_ours() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "fedsim", "--no-default-features", "--edges", "normal,build"])
        .args(["--prefix", "none", "--offline", "--locked", "--format", "{p}"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("crate names are text");
    let crates: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains(&"runs") && crates.contains(&"transport"));
    for ours in ["homeserver", "relay", "ruma", "workloads", "turmoil"] {
        assert!(!crates.contains(&ours), "{ours}");
    }
}

/// Returns whether a build of the workspace with these features can plant defects.
fn can_plant(features: &str) -> bool {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--features", features, "--edges", "features,normal,build"])
        .args(["--prefix", "none", "--offline", "--locked", "--format", "{p} [{f}]"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("crate names are text");
    text.lines().any(|line| line.starts_with("defects ") && line.contains("planted"))
}

#[test]
fn a_defect_can_be_planted_only_in_a_build_that_asks_for_it() {
    assert!(!can_plant(""));
    assert!(can_plant("fedsim/defects"));
    assert_eq!(crates_of("defects"), ["defects"]);
}

#[test]
fn each_defect_is_one_change_at_one_place() {
    let nodes = ["homeserver/src", "relay/src"];
    let nodes: Vec<_> = nodes.iter().flat_map(|folder| sources(folder)).collect();
    for defect in Defect::ALL {
        let asked = format!("planted(Defect::{defect:?})");
        let places = nodes.iter().map(|(_, text)| text.matches(&asked).count());
        assert_eq!(places.sum::<usize>(), 1, "{asked}");
    }
}

#[test]
fn a_node_reaches_the_outside_world_only_through_its_host() {
    let outside = [
        "tokio::net",
        "std::net::Tcp",
        "std::fs",
        "tokio::fs",
        "SystemTime::now",
        "std::time::Instant",
        "std::thread",
        "thread::Builder",
        "tokio::spawn",
        "spawn_blocking",
        "OsRng",
        "SysRng",
        "getrandom",
        "rand::rng",
        "new_v4",
        "Connection::open",
    ];
    // `tokio::time` is a node's own clock in both worlds; the outside begins at the real machine.
    for (folder, except) in [
        ("homeserver/src", vec!["homeserver/src/bin"]),
        // What `relayctl` does with the files of a relay that does not run.
        ("relay/src", vec!["relay/src/bin", "relay/src/maintenance.rs"]),
        ("transport/src", vec!["transport/src/real"]),
    ] {
        assert_eq!(lines_with(folder, &outside, &except), NONE);
    }
}

/// The layers of the homeserver, the lowest first. Each uses itself and those before it.
const LAYERS: [&[&str]; 8] = [
    &["config", "core", "event"],
    &["store"],
    &["transaction"],
    &["pdu"],
    &["messaging"],
    &["delivery"],
    &["admin", "client_api", "edge", "federation_api", "metrics"],
    &["start"],
];

#[test]
fn each_layer_of_the_homeserver_uses_only_those_below_it() {
    let level_of = |module: &str| LAYERS.iter().position(|modules| modules.contains(&module));
    for (path, text) in sources("homeserver/src") {
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        let module = name.trim_end_matches(".rs").split('/').nth(2).unwrap_or_default();
        if ["lib", "bin"].contains(&module) {
            continue;
        }
        let own = level_of(module).unwrap_or_else(|| panic!("{name} is in no layer"));
        for used in used_modules(&text) {
            // A name that is in no layer is an item of the crate's root.
            assert!(level_of(&used).is_none_or(|level| level <= own), "{name} uses {used}");
        }
    }
}

/// Returns the modules of its own crate that a file names, as `crate::this` or in `use
/// crate::{this, ..}`.
fn used_modules(text: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for path in text.split("crate::").skip(1) {
        let mut depth = 0;
        let mut at_depth = |letter: char| {
            depth += i32::from(letter == '{') - i32::from(letter == '}');
            depth
        };
        let whole = path.split(';').next().unwrap_or_default();
        // Once what is in inner braces is left out, each item begins with its module.
        let outer: String = whole.chars().filter(|letter| at_depth(*letter) < 2).collect();
        let items =
            outer.strip_prefix('{').map_or(vec![&*outer], |group| group.split(',').collect());
        let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
        let modules = items.iter().map(|item| item.trim().split(|letter| !is_name(letter)).next());
        used.extend(modules.flatten().map(str::to_owned));
    }
    used
}

#[test]
fn only_the_edge_of_the_homeserver_speaks_in_http_statuses() {
    // The program is a client of the admin API.
    let edge = ["admin", "bin", "client_api", "edge", "federation_api", "metrics"];
    let edge = edge.map(|module| format!("homeserver/src/{module}"));
    let edge: Vec<_> = edge.iter().map(String::as_str).collect();
    assert_eq!(
        lines_with("homeserver/src", &["StatusCode", "MatrixError", ".status"], &edge),
        NONE
    );
}

#[test]
fn only_the_store_of_the_homeserver_speaks_sql() {
    let sql = ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE ", "\"WITH "];
    let calls = ["prepare_cached(", "query_row(", ".execute(", "execute_batch("];
    let words = [&sql[..], &calls].concat();
    assert_eq!(lines_with("homeserver/src", &words, &["homeserver/src/store"]), NONE);
}

#[test]
fn nodes_lock_in_one_way_which_no_panic_poisons() {
    for folder in ["transport/src", "homeserver/src", "relay/src"] {
        let words = ["PoisonError", "std::sync::Mutex", ".lock().expect(", ".lock().unwrap("];
        assert_eq!(lines_with(folder, &words, &["transport/src/lock.rs"]), NONE);
    }
}

#[test]
fn no_parameter_of_a_node_is_a_tuple() {
    for (path, text) in
        ["transport/src", "homeserver/src", "relay/src"].iter().flat_map(|of| sources(of))
    {
        // rustfmt puts each parameter on a line of its own if they do not fit on one line.
        let tuples = text.lines().filter(|line| {
            let line = line.trim();
            line.starts_with('(') && line.contains("): (") && line.ends_with(',')
        });
        assert_eq!(tuples.collect::<Vec<_>>(), Vec::<&str>::new(), "{}", path.display());
    }
}

#[test]
fn the_simulator_knows_neither_homeservers_nor_relays() {
    assert_eq!(foreign_to("sim", &["homeserver", "relay", "scenarios", "checks", "runs"]), NONE);
    assert_eq!(lines_with("sim/src", &["homeserver::", "relay::", "/_matrix/"], &[]), NONE);
}

#[test]
fn what_judges_and_what_shows_links_no_world_no_server_and_no_database() {
    let machinery = [
        "defects",
        "sim",
        "transport",
        "homeserver",
        "relay",
        "runs",
        "turmoil",
        "tokio",
        "hyper",
        "axum",
        "rusqlite",
        "libsqlite3-sys",
        "rustls",
    ];
    for package in ["journal", "scenarios", "checks", "reports"] {
        assert_eq!(foreign_to(package, &machinery), NONE, "{package}");
    }
}

/// It listens by itself, so an HTTP stack is in its tree; what it shows is in files.
#[test]
fn what_shows_runs_in_the_browser_links_no_world_and_no_server() {
    let machinery =
        ["defects", "sim", "transport", "homeserver", "relay", "turmoil", "rusqlite", "rustls"];
    assert_eq!(foreign_to("serve", &machinery), NONE);
}

#[test]
fn each_crate_of_the_harness_is_built_of_those_below_it_only() {
    let above = [
        ("journal", vec!["scenarios", "checks", "runs", "reports"]),
        ("scenarios", vec!["checks", "runs", "reports"]),
        ("checks", vec!["runs", "reports"]),
        ("reports", vec!["runs"]),
        ("runs", vec!["reports", "turmoil-world", "live-world"]),
        ("explore", vec!["campaign", "reports"]),
        ("serve", vec!["runs", "explore", "campaign"]),
    ];
    for (package, above) in above {
        assert_eq!(foreign_to(package, &above), NONE, "{package}");
    }
}

#[test]
fn who_shares_no_campaign_over_machines_does_not_build_a_client_of_nats() {
    assert_eq!(foreign_to("fedsim", &["async-nats"]), NONE);
}

#[test]
fn the_live_world_listens_and_calls_on_loopback_only() {
    // Every address of it comes from one place, which has a test of its own.
    let words = ["0.0.0.0", "UNSPECIFIED", "lookup_host", "to_socket_addrs", "Ipv4Addr::new("];
    assert_eq!(lines_with("live-world/src", &words, &["live-world/src/addresses.rs"]), NONE);
}

#[test]
fn reports_show_what_checks_decided() {
    assert_eq!(lines_with("reports/src", &["checks::judge", "checks::promises"], &[]), NONE);
}

#[test]
fn scenarios_can_name_every_endpoint_that_is_declared_here() {
    // Relays answer it, and no homeserver of ours asks it yet.
    let unasked = "/_matrix/federation/unstable/org.fedsim.relay/take/{}";
    let known: Vec<_> =
        ENDPOINTS.iter().map(|(_, _, template)| *template).chain([unasked]).collect();
    for (path, text) in sources("transport/src/endpoints") {
        for declared in text.split("const PATH: &'static str =").skip(1) {
            let declared = declared.split('"').nth(1).expect("a path is a text");
            let template =
                declared.split('{').map(|part| part.split_once('}').map_or(part, |it| it.1));
            let template = template.collect::<Vec<_>>().join("{}");
            assert!(known.contains(&&*template), "{}: {declared} has no name", path.display());
        }
    }
}

#[test]
fn every_select_is_biased() {
    for folder in
        ["transport/src", "homeserver/src", "relay/src", "sim/src", "runs/src", "live-world/src"]
    {
        for (path, text) in sources(folder) {
            for select in text.split("select! {").skip(1) {
                assert!(select.trim_start().starts_with("biased;"), "{}", path.display());
            }
        }
    }
}

#[test]
fn no_query_asks_sqlite_for_time_or_chance() {
    let words = ["CURRENT_TIMESTAMP", "random()", "randomblob", "datetime('now"];
    for folder in ["transport/src", "homeserver/src", "relay/src"] {
        assert_eq!(lines_with(folder, &words, &[]), NONE);
    }
}

/// What these words do differs from one build of SQLite to another.
#[test]
fn no_query_depends_on_how_sqlite_was_compiled() {
    let words = ["ANALYZE", "optimize", "VIRTUAL TABLE", "dbstat", " MATCH ", "soundex("];
    for folder in ["transport/src", "homeserver/src", "relay/src", "sim/src"] {
        assert_eq!(lines_with(folder, &words, &[]), NONE);
    }
}

#[test]
fn every_file_says_its_job_in_its_first_line_and_keeps_to_one() {
    const MAX_LINES: usize = 450;
    let servers = ["defects", "settings", "transport", "homeserver", "relay"];
    let harness = [
        "journal",
        "sim",
        "scenarios",
        "checks",
        "runs",
        "explore",
        "campaign",
        "reports",
        "serve",
        "turmoil-world",
        "live-world",
    ];
    let folders =
        [&servers[..], &harness, &["workloads", "docs/snippets", "src", "benches"]].concat();
    for (path, text) in folders.iter().flat_map(|folder| sources(folder)) {
        assert!(text.starts_with("//! "), "{} has no header", path.display());
        assert!(text.lines().count() <= MAX_LINES, "{} is too long", path.display());
        assert!(!path.ends_with("mod.rs"), "{}: use foo.rs beside foo/", path.display());
    }
}

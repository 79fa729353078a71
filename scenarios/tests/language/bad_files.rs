//! Every file of `bad/` is refused, with all of its mistakes named.

use std::{fs, path::Path};

use scenarios::language;

fn bad(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language/bad");
    fs::read_to_string(folder.join(format!("{name}.toml"))).expect("a file of this name")
}

fn rendered(name: &str) -> String {
    language::parse(&format!("{name}.toml"), &bad(name)).expect_err("mistakes").render(false)
}

/// One test per file: the snapshot is what a person sees.
macro_rules! refused {
    ($($name:ident),+ $(,)?) => { $(
        #[test]
        fn $name() {
            let mut settings = insta::Settings::clone_current();
            settings.set_omit_expression(true);
            settings.set_prepend_module_to_snapshot(false);
            settings.set_snapshot_path("snapshots");
            settings.bind(|| insta::assert_snapshot!(stringify!($name), rendered(stringify!($name))));
        }
    )+

        #[test]
        fn every_bad_file_is_looked_at() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language/bad");
            let files = fs::read_dir(folder).expect("the folder").count();
            assert_eq!(files, [$(stringify!($name)),+].len());
        }
    };
}

refused!(
    after_the_limit,
    bad_durations,
    bad_names,
    broken_links,
    broken_shapes,
    dishonest_peers,
    duplicate_names,
    faults_out_of_order,
    front_proxies,
    generated_and_written,
    generated_nonsense,
    generated_without_room,
    keys_given_twice,
    machines_and_disks,
    missing_keys,
    no_backend,
    not_one_kind,
    not_toml,
    numbers_out_of_range,
    operations_on_others,
    outcomes,
    repeated_operations,
    settings_of_servers,
    several_mistakes_at_once,
    shorthands,
    sides_of_cuts,
    unknown_checks,
    unknown_keys,
    unknown_machines,
    unknown_names,
    unknown_triggers,
    unknown_words,
    wrong_types,
);

#[test]
fn a_program_reads_where_and_what() {
    let text = bad("unknown_machines");
    let list = language::parse("x.toml", &text).expect_err("mistakes").list();
    let first = &list[0];
    assert_eq!((first.line, first.column), (12, 18));
    assert_eq!(first.code, "scenario::unknown-node");
    assert_eq!(first.key, "faults[0].crash.node");
    assert_eq!(first.help.as_deref(), Some("did you mean `b`?"));
}

#[test]
fn columns_are_counted_in_characters() {
    let text = "name = \"x\"\nabout = \"\"\n[users]\n\"ü\" = { backend = 1 }\n";
    let list = language::parse("x.toml", text).expect_err("mistakes").list();
    let typed = list.iter().find(|mistake| mistake.code == "scenario::wrong-type");
    assert_eq!(typed.map(|mistake| (mistake.line, mistake.column)), Some((4, 19)));
}

#[test]
fn color_is_only_added_on_demand() {
    let mistakes = language::parse("x.toml", "nam = 1").expect_err("mistakes");
    assert!(!mistakes.render(false).contains('\u{1b}'));
    assert!(mistakes.render(true).contains('\u{1b}'));
}

#[test]
fn a_file_that_is_not_there_is_a_mistake_too() {
    let list = language::load(Path::new("nowhere.toml")).expect_err("mistakes").list();
    assert_eq!(list[0].code, "scenario::unreadable");
    assert_eq!(language::load_folder(Path::new("nowhere")).expect_err("mistakes").list().len(), 1);
}

//! The builder in Rust writes the same scenarios, and is held to the same rules.

use scenarios::{
    Scenario,
    builder::{
        Amount, bridge, crash, duplicate, halves, hang, hold, isolate, partition, refuse,
        reset_answer, reset_request, ring, sent, slow_link, swizzle, synced,
    },
    language::{parse, to_toml},
    scenario::{Delivery, MessageExpectation, Outcome},
};

const TEXT: &str = r#"
name = "cut"
limit = "1m"
[backends]
a = {}
b = { relays = ["r1"], relay_poll_interval = "5s" }
[relays]
r1 = { forward = true }
[users]
alice = { backend = "a" }
bob = { backend = "b" }
[conversations]
team = { creator = "alice", members = ["bob"], delivery = "m1" }
[[ops]]
at = "3s"
outcome = "ok"
send = { id = "m1", from = "bob", to = "team", retries = 2 }
[[faults]]
when = { sent = ["decision", "on_message_sent"], to = "b", nth = 2 }
for = "20s"
partition = { between = ["a"], and = ["b"] }
id = "cut"
[[faults]]
after = "cut"
when = { synced = "b" }
crash = { node = "b" }
[expect]
sometimes = ["in-doubt-asked"]
[expect.messages]
m1 = { outcome = "ok" }
"#;

#[test]
fn it_writes_what_a_file_says() {
    let expected = MessageExpectation { outcome: Some(Outcome::Ok), ..Default::default() };
    let built = Scenario::build("cut")
        .limit(1.minutes())
        .backends(["a", "b"])
        .relay("r1", ["b"])
        .set("b", "relay_poll_interval", 5000)
        .set("r1", "forward", 1)
        .user("alice", "a")
        .user("bob", "b")
        .conversation("team", "alice", ["bob"], Delivery::M1)
        .send("m1", "bob", "team")
        .at(3.s())
        .retries(2)
        .outcome(Outcome::Ok)
        .fault(sent(["decision", "on_message_sent"]).to("b").nth(2), partition(["a"], ["b"]))
        .lasting(20.s())
        .called("cut")
        .fault(synced("b"), crash("b"))
        .after("cut")
        .sometimes("in-doubt-asked")
        .expect("m1", expected)
        .finish();
    assert_eq!(built, parse("cut.toml", TEXT).expect("a scenario"));
}

#[test]
fn it_is_held_to_the_same_rules_and_says_which_key_is_meant() {
    let built = Scenario::build("cut").backends(["a"]).fault(90.s(), partition(["a"], ["b"]));
    let mistakes = built.check().expect_err("mistakes");
    insta::assert_snapshot!(mistakes.render(false), @r#"
    error[scenario::after-limit]: this fault comes after the limit (at faults[0].at)
     |
     = help: move it earlier, or write limit = "1m 30s" or more

    error[scenario::unknown-node]: there is no machine `b` (at faults[0].partition.and[0])
     |
     = help: the only machine is `a`
    "#);
    assert_eq!(mistakes.list()[0].line, 0);
}

#[test]
fn every_fault_of_links_keeps_to_the_rules_and_is_read_back_as_it_was() {
    let faults = [
        hold(["a"], ["b"]),
        slow_link(["a"], ["b"], 1000),
        reset_request(["a"], ["b", "c"]),
        reset_answer(["a"], ["b"]),
        duplicate(["a"], ["b"], 5.s()),
        refuse("a"),
        hang("a"),
        isolate("a"),
        halves(["a", "b", "c"]),
        ring(["a", "b", "c", "d"]),
        bridge("a"),
        swizzle(["a", "b"], 5.s()),
    ];
    for fault in faults {
        let built =
            Scenario::build("x").backends(["a", "b", "c", "d"]).fault(1.s(), fault).finish();
        assert_eq!(parse("x.toml", &to_toml(&built)).expect("a scenario"), built);
    }
}

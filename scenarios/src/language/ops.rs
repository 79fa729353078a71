//! The kinds of operations, as a scenario file names them.

use super::{
    faults::Listed,
    reference::{
        Key,
        Value::{Content, Table, Text, Whole},
        may, need,
    },
};

const USER: Key = need("user", Text("a user"), "whom it is about", "\"alice\"");
const BY: Key = need("by", Text("a user"), "who does it, from the first device", "\"bob\"");
const CONVERSATION: Key = need("conversation", Text("a conversation"), "where", "\"team\"");

/// Every kind of operation.
pub const LISTED: &[Listed] = &[
    Listed {
        key: "send",
        body: Table(&[
            need(
                "id",
                Text("a name"),
                "what the message is called in this file, and in reports",
                "\"m1\"",
            ),
            need("from", Text("a user"), "who sends it, from the first device", "\"alice\""),
            need("to", Text("a conversation"), "where to", "\"team\""),
            may("text", Text("any text"), "its id", "what it says", "\"hello\""),
            may(
                "content",
                Content,
                "nothing else",
                "what its content holds beside the text, or in the place of `body` and `msgtype`",
                "{ msgtype = \"m.image\", url = \"mxc://a/cat\" }",
            ),
            may(
                "retries",
                Whole(0, u32::MAX as u64),
                "0",
                "how often the client tries again, with the same transaction id, where no answer comes",
                "2",
            ),
        ]),
        example: "{ id = \"m1\", from = \"alice\", to = \"team\", text = \"hello\", retries = 2 }",
        means: "a user sends a message (retries = n: and tries again so often where no answer comes)",
    },
    Listed {
        key: "redact",
        body: Table(&[
            need("message", Text("a message"), "the message, by its id", "\"m0\""),
            need(
                "by",
                Text("a user"),
                "who takes it away, from the first device, once that has seen it",
                "\"bob\"",
            ),
        ]),
        example: "{ message = \"m0\", by = \"bob\" }",
        means: "a user takes away what a message says; the message itself stays",
    },
    Listed {
        key: "typing",
        body: Table(&[USER, CONVERSATION]),
        example: "{ user = \"alice\", conversation = \"team\" }",
        means: "a user's first device says that the user types",
    },
    Listed {
        key: "logout",
        body: Table(&[need("device", Text("a device"), "the device", "\"bob/1\"")]),
        example: "{ device = \"bob/1\" }",
        means: "a device logs out for good: nobody sends it anything any more",
    },
    Listed {
        key: "fetch",
        body: Table(&[need("user", Text("a user"), "the user", "\"alice\"")]),
        example: "{ user = \"alice\" }",
        means: "each device of a user fetches its notifications once",
    },
    Listed {
        key: "join",
        body: Table(&[USER, CONVERSATION]),
        example: "{ user = \"alice\", conversation = \"team\" }",
        means: "a user is invited by the conversation's creator, and joins",
    },
    Listed {
        key: "invite",
        body: Table(&[USER, BY, CONVERSATION]),
        example: "{ user = \"alice\", by = \"bob\", conversation = \"team\" }",
        means: "a user invites another one, who does not join by this alone",
    },
    Listed {
        key: "leave",
        body: Table(&[USER, CONVERSATION]),
        example: "{ user = \"alice\", conversation = \"team\" }",
        means: "a user leaves, or turns an invitation down",
    },
    Listed {
        key: "kick",
        body: Table(&[USER, BY, CONVERSATION]),
        example: "{ user = \"alice\", by = \"bob\", conversation = \"team\" }",
        means: "a user removes another one, who may come back",
    },
    Listed {
        key: "ban",
        body: Table(&[USER, BY, CONVERSATION]),
        example: "{ user = \"alice\", by = \"bob\", conversation = \"team\" }",
        means: "a user removes another one for good",
    },
    Listed {
        key: "power",
        body: Table(&[
            USER,
            need(
                "level",
                Whole(0, u32::MAX as u64),
                "the power level: 0 for everybody, 50 to kick and ban, 100 for what the creator may",
                "50",
            ),
            BY,
            CONVERSATION,
        ]),
        example: "{ user = \"alice\", level = 50, by = \"bob\", conversation = \"team\" }",
        means: "a user says what another one may do (50: kick and ban; 100: what the creator may)",
    },
    Listed {
        key: "state",
        body: Table(&[
            need("type", Text("a type of events"), "the type of the event", "\"m.room.topic\""),
            may("key", Text("any text"), "empty", "the state key of the event", "\"alice\""),
            need("content", Content, "the content of the event", "{ topic = \"lunch\" }"),
            BY,
            CONVERSATION,
        ]),
        example: "{ by = \"alice\", conversation = \"team\", type = \"m.room.topic\", content = { \
                  topic = \"lunch\" } }",
        means: "a user sets a state event of any type (key = \"..\": its state key)",
    },
    Listed {
        key: "trespass",
        body: Table(&[
            need("relay", Text("a relay"), "the relay that is asked", "\"r1\""),
            need("victim", Text("a backend"), "whose mail is asked for", "\"b\""),
        ]),
        example: "{ relay = \"r1\", victim = \"b\" }",
        means: "a server without any rights asks a relay for somebody's mail, and acknowledges it",
    },
];

/// Returns the keys of which an operation has exactly one.
pub(super) fn keys() -> Vec<&'static str> {
    LISTED.iter().map(|listed| listed.key).collect()
}

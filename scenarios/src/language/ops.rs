//! The kinds of operations, as a scenario file names them.

use super::faults::Listed;

/// Every kind of operation.
pub const LISTED: &[Listed] = &[
    Listed {
        key: "send",
        example: "{ id = \"m1\", from = \"alice\", to = \"team\", text = \"hello\", retries = 2 }",
        means: "a user sends a message (retries = n: and tries again so often where no answer comes)",
    },
    Listed {
        key: "fetch",
        example: "{ user = \"alice\" }",
        means: "each device of a user fetches its notifications once",
    },
    Listed {
        key: "join",
        example: "{ user = \"alice\", conversation = \"team\" }",
        means: "a user is invited by the conversation's creator, and joins",
    },
    Listed {
        key: "invite",
        example: "{ user = \"alice\", by = \"bob\", conversation = \"team\" }",
        means: "a user invites another one, who does not join by this alone",
    },
    Listed {
        key: "leave",
        example: "{ user = \"alice\", conversation = \"team\" }",
        means: "a user leaves, or turns an invitation down",
    },
    Listed {
        key: "kick",
        example: "{ user = \"alice\", by = \"bob\", conversation = \"team\" }",
        means: "a user removes another one, who may come back",
    },
    Listed {
        key: "ban",
        example: "{ user = \"alice\", by = \"bob\", conversation = \"team\" }",
        means: "a user removes another one for good",
    },
    Listed {
        key: "power",
        example: "{ user = \"alice\", level = 50, by = \"bob\", conversation = \"team\" }",
        means: "a user says what another one may do (50: kick and ban; 100: what the creator may)",
    },
    Listed {
        key: "state",
        example: "{ by = \"alice\", conversation = \"team\", type = \"m.room.topic\", content = { \
                  topic = \"lunch\" } }",
        means: "a user sets a state event of any type (key = \"..\": its state key)",
    },
    Listed {
        key: "trespass",
        example: "{ relay = \"r1\", victim = \"b\" }",
        means: "a server without any rights asks a relay for somebody's mail, and acknowledges it",
    },
];

/// Returns the keys of which an operation has exactly one.
pub(super) fn keys() -> Vec<&'static str> {
    LISTED.iter().map(|listed| listed.key).collect()
}

//! The defects: a line each of what is wrong, and where it was seen.

/// A system that a defect was seen in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    /// Wire's backends of October 2021, and the protocols compared with theirs.
    Wire,
    /// Dendrite: its relay, and its federation sender.
    Dendrite,
    /// OpenCola's relay.
    OpenCola,
    /// Synapse, and servers that work as it does.
    Synapse,
    /// None in particular: mistakes that whoever writes a server could make.
    Own,
}

impl System {
    /// Returns what it is, in a few words.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Wire => "Wire: M1, and the protocols compared with it",
            Self::Dendrite => "Dendrite: the relay, and the federation sender",
            Self::OpenCola => "OpenCola: the relay",
            Self::Synapse => "Synapse, and servers that work as it does",
            Self::Own => "Of our own choosing",
        }
    }
}

/// Where a defect was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The system.
    pub system: System,
    /// The place in it: the row of its list of weak spots, and the file or function, where known.
    pub place: &'static str,
}

/// Declares the closed set; the comment on each variant is its description.
macro_rules! defects {
    ($($(#[doc = $what:literal])+ $variant:ident = $name:literal, $system:ident, $place:literal;)+) => {
        /// A known defect: one small change at one place of the homeserver or the relay.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Defect {
            $($(#[doc = $what])+ $variant,)+
        }

        impl Defect {
            /// All of them, in the order of [`System`].
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns its name, in kebab case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns what is wrong, in a sentence.
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($what),+).trim_start(),)+
                }
            }

            /// Returns where it was seen.
            pub const fn source(self) -> Source {
                match self {
                    $(Self::$variant => Source { system: System::$system, place: $place },)+
                }
            }
        }
    };
}

defects! {
    /// The owner asks the members for device lists only, decides, and has the message stored at
    /// each of them afterwards.
    M1AsksWithoutStoring = "m1-asks-without-storing", Wire,
        "M1 rows 5, 6, 7 and 11: galley `postQualifiedOtrMessage`, steps 6 and 9";
    /// A backend that gives no vote in time is outvoted: the message is sent, and the sender is
    /// told that it is.
    M1SilenceCountsAsYes = "m1-silence-counts-as-yes", Wire,
        "M1 rows 5 to 7: 201 with `failed_to_send`, galley `postQualifiedOtrMessage`, step 10";
    /// What the owner has decided and not told yet is gone when it restarts, so that backends that
    /// ask are told an abort.
    M1OwnerForgetsDecisions = "m1-owner-forgets-decisions", Wire,
        "M1 rows 8 and 9: no journal and no recovery, window W2; control \"hold until commit \
         without a logged decision\"";
    /// The owner tells the commit to the members before it has recorded the decision.
    M1CommitToldBeforeItIsRecorded = "m1-commit-told-before-it-is-recorded", Wire,
        "M1, control \"2PC, commit record written late\"";
    /// A backend that has voted yes and asks in vain what was decided refuses the message for good.
    M1DoubtTimesOut = "m1-doubt-times-out", Wire,
        "M1, control \"2PC, prepared nodes time out and abort\"";
    /// The sender is told that the message was not sent when a backend does not acknowledge the
    /// commit in time.
    M1LateCommitCountsAsFailure = "m1-late-commit-counts-as-failure", Wire,
        "M1 row 12: a false `failed_to_send`, window W4";
    /// The sender's backend takes the owner's lost answer for a refusal, and tells the sender that
    /// the message was not sent.
    M1LostAnswerCountsAsFailure = "m1-lost-answer-counts-as-failure", Wire,
        "M1 row 13: a false 5xx, window W4";
    /// A backend checks a committed message against what it knows by then, and drops and
    /// acknowledges the message of a sender who has left.
    M1CommitIsCheckedAgain = "m1-commit-is-checked-again", Wire,
        "M1 row 18: galley `onMessageSent` drops whom it does not know, window W6";
    /// A backend that joins while the votes are collected is neither asked nor told.
    M1NewcomerIsLeftOut = "m1-newcomer-is-left-out", Wire,
        "M1, window W5: stale lists";
    /// A backend shows a message when it votes for it, and an abort does not take it back.
    M1ShownAtTheVote = "m1-shown-at-the-vote", Wire,
        "M1, row \"saga\": store visibly, recall on failure";
    /// A client that repeats a send under the same transaction id has sent a second message.
    RetryIsASecondMessage = "retry-is-a-second-message", Wire,
        "M1 row 13: no dedupe, the retry duplicates";
    /// Whoever acknowledges an entry of the relay deletes it, whosever it is.
    RelayAcknowledgesForAnybody = "relay-acknowledges-for-anybody", Dendrite,
        "relay B1: relayapi `QueryTransactions`";
    /// The relay hands a server's mail to any server that asks for it.
    RelayHandsOutToAnybody = "relay-hands-out-to-anybody", Dendrite,
        "relay B2: relayapi `QueryTransactions`";
    /// A homeserver asks its relays until they are empty once, and never again before it restarts.
    RelaySyncEndsOnceEmpty = "relay-sync-ends-once-empty", Dendrite,
        "relay B3: `retriever.go`, `relayServersQueried`";
    /// Each time that a peer is back, one more task begins to ask the relays, beside those that do
    /// so already, and never ends.
    RelaySyncStartsAgainAndAgain = "relay-sync-starts-again-and-again", Dendrite,
        "relay B4: `retriever.go`, `running` is never set";
    /// A homeserver acknowledges an entry of a relay of which it could not judge the events, and
    /// keeps nothing of it.
    RelaySyncAcknowledgesWhatFailed = "relay-sync-acknowledges-what-failed", Dendrite,
        "relay B6: `retriever.go`, `processTransaction`";
    /// A destination that is reached again is forgiven in memory only, and has its old back-off
    /// again after a restart.
    BackOffComesBackAfterARestart = "back-off-comes-back-after-a-restart", Dendrite,
        "relay B7: federationapi/statistics `Success`";
    /// What is sent while a destination counts as gone is not queued for it.
    QueueDropsMailForTheAbsent = "queue-drops-mail-for-the-absent", Dendrite,
        "relay B8: federationapi/queue `SendEvent`";
    /// The queue of a destination is read from the database in the order of event ids, which is
    /// none.
    QueueLosesItsOrder = "queue-loses-its-order", Dendrite,
        "relay B9: federationapi/storage `SelectQueuePDUs` has no `ORDER BY`";
    /// A transaction that is repeated carries what was queued meanwhile too, under the same id.
    RetryCarriesMoreUnderTheSameId = "retry-carries-more-under-the-same-id", Dendrite,
        "relay B10: federationapi/queue `nextTransaction`";
    /// The relay keeps a transaction once more each time it comes, so that what is repeated because
    /// the answer was lost waits twice.
    RelayStoresRepeats = "relay-stores-repeats", Dendrite,
        "relay B11: relayapi `StoreTransaction`";
    /// A direct attempt that runs into its deadline leaves no time for the relays, which therefore
    /// never get the mail of a destination that hangs.
    RelaysShareTheTimeOfTheDirectAttempt = "relays-share-the-time-of-the-direct-attempt", Dendrite,
        "relay B12: federationapi/queue, one context for direct send and relays";
    /// The relay deletes an entry as it hands it out, without waiting for the acknowledgement.
    RelayDeletesWhenHandingOut = "relay-deletes-when-handing-out", OpenCola,
        "relay 1: `consumeMessages`; translated: the answer to `relay_txn` is the write";
    /// The relay answers that it has a transaction before it has stored it.
    RelayAnswersBeforeStoring = "relay-answers-before-storing", OpenCola,
        "relay 2: `deliverMessage`; translated: the answer to `send_relay` is the write";
    /// An acknowledgement deletes all that waits from the same origin, also what came while the
    /// acknowledged entry was on its way.
    RelayAcknowledgementTakesNewerMail = "relay-acknowledgement-takes-newer-mail", OpenCola,
        "relay 3: `removeMessage` by sender, recipient and key; translated: the key is the origin";
    /// A forwarding relay looks for work when a transaction comes and stores it afterwards, so that
    /// it waits for the next traffic.
    RelayWakesBeforeStoring = "relay-wakes-before-storing", OpenCola,
        "relay 4: `handleMessage`; translated: who is to be woken is the forwarding relay's own \
         delivery";
    /// A forwarding relay deletes what it has sent to the destination, also when no answer comes.
    RelayCountsSentAsDelivered = "relay-counts-sent-as-delivered", OpenCola,
        "relay 5: `/v2/forward` answers before it handles; translated: no answer counts as one";
    /// A repeated transaction replaces the first entry of the mailbox, whatever that is.
    RelayRepeatReplacesTheFirst = "relay-repeat-replaces-the-first", OpenCola,
        "relay 8: `MessageQueue.addMessage`; translated: the key is the transaction id";
    /// The relay stores a transaction, looks at the quota afterwards, and refuses what it has
    /// stored.
    RelayKeepsWhatItRefuses = "relay-keeps-what-it-refuses", OpenCola,
        "relay 12: `ExposedMessageStore.addMessage`, body before quota";
    /// The relay does not have its commits synced to the disk before it answers.
    RelayCommitsWithoutSync = "relay-commits-without-sync", OpenCola,
        "relay 13: `FileSystemContentAddressedFileStore`; translated: the commit is not synced";
    /// The relay reads the body of a request to its end, however large it is.
    RelayReadsAnyBody = "relay-reads-any-body", OpenCola,
        "relay 16: `/v2/forward` reads an unbounded body";
    /// A transaction that has the id of another server's is taken for a repetition of that one.
    TransactionsAreToldApartByIdOnly = "transactions-are-told-apart-by-id-only", Synapse,
        "transaction deduplication without the origin";
    /// A server that is back and calls is not called before the back-off ends that its outage led
    /// to.
    BackOffOutlivesTheOutage = "back-off-outlives-the-outage", Synapse,
        "retry timings that a request of the peer does not clear";
    /// A transaction is answered with 200 before its events are durable.
    TransactionIsAnsweredBeforeItIsDurable = "transaction-is-answered-before-it-is-durable", Synapse,
        "`/send` answered with events still in memory";
    /// A destination that is back gets the newest event of each room that waited for it, and
    /// nothing of one of several rooms.
    CatchUpSendsHeadsOnly = "catch-up-sends-heads-only", Synapse,
        "catch-up mode of the per-destination queue";
    /// A backend votes for a message before it has stored it.
    M1VoteBeforeItIsDurable = "m1-vote-before-it-is-durable", Own,
        "delivery: the vote";
    /// A backend that has voted does not ask what was decided before it restarts, so that a message
    /// whose abort it missed stays undecided.
    M1DoubtIsNeverAsked = "m1-doubt-is-never-asked", Own,
        "delivery: doubts";
    /// A server asks once for the events between what it knows and what came, and does without
    /// those that did not fit into the answer.
    GapBeyondOneAnswerIsDropped = "gap-beyond-one-answer-is-dropped", Own,
        "pdu: `get_missing_events`";
    /// An event that the current state forbids is shown because it was allowed where it stands.
    SoftFailedEventIsShown = "soft-failed-event-is-shown", Own,
        "pdu: receipt checks";
    /// Where a room has forked, the state of the branch that was known first is taken, and not what
    /// both resolve to.
    StateOfOneBranchWins = "state-of-one-branch-wins", Own,
        "pdu: state resolution";
    /// The event that came last is taken for the only end of the room, so that another branch is
    /// not built upon any more.
    ForkIsForgotten = "fork-is-forgotten", Own,
        "pdu: extremities";
    /// A server whose user comes back to a room goes on with the state that it had when the user left,
    /// and not with the one that it is handed.
    RejoinKeepsTheOldState = "rejoin-keeps-the-old-state", Own,
        "pdu: joins";
    /// Devices are notified once more of an event that comes a second time.
    RedeliveredEventIsNotifiedAgain = "redelivered-event-is-notified-again", Own,
        "pdu: duplicates";
    /// An event whose content does not match its hash is shown as it came, and not redacted.
    AlteredContentIsShown = "altered-content-is-shown", Own,
        "pdu: content hashes";
    /// Events that no server could be asked for are taken to be nowhere, so that what builds on
    /// them is refused for good.
    SilenceCountsAsMissing = "silence-counts-as-missing", Own,
        "pdu: fetching";
    /// A server whose last user is removed from a room is not sent the event that says so.
    RemovedServerIsNotTold = "removed-server-is-not-told", Own,
        "messaging: destinations";
    /// A transaction is taken off the queue when it is sent, and not when it has arrived.
    QueueIsEmptiedBeforeItIsSent = "queue-is-emptied-before-it-is-sent", Own,
        "store: outgoing queue";
    /// After a restart a server does not know any more what clients have sent, and takes their
    /// retries for new messages.
    RestartForgetsWhatClientsSent = "restart-forgets-what-clients-sent", Own,
        "store: client transactions";
    /// The ids of notifications follow the clock alone, so that a later one can be smaller.
    NotificationIdsFollowTheClock = "notification-ids-follow-the-clock", Own,
        "store: notifications";
    /// Devices of users who have left a room are notified of what is said in it.
    WhoLeftIsStillNotified = "who-left-is-still-notified", Own,
        "store: notifications";
    /// A sync answers with a token that was read after its events, and so skips what was committed
    /// between the two.
    SyncTokenSkipsWhatComesMeanwhile = "sync-token-skips-what-comes-meanwhile", Own,
        "sync: token";
    /// A sync that leaves out events of a room leaves out the state that they have changed too.
    LimitedSyncOmitsState = "limited-sync-omits-state", Own,
        "sync: state";
    /// A leave is answered before it is stored, so that who is told to be out is still in when that
    /// fails, or the power does.
    LeaveIsAnsweredBeforeItIsStored = "leave-is-answered-before-it-is-stored", Own,
        "client-server API: leave";
    /// The relay deletes what is too old by the wall clock, and so everything when that jumps
    /// ahead.
    RelayExpiresByTheWallClock = "relay-expires-by-the-wall-clock", Own,
        "relay: expiry";
    /// The relay hands out the newest entry first.
    RelayHandsOutNewestFirst = "relay-hands-out-newest-first", Own,
        "relay: order";
}

impl Defect {
    /// Returns the defect with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|defect| defect.name() == name)
    }
}

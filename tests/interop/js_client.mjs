// matrix-js-sdk, with its Rust crypto, through our homeserver: two users in an encrypted room.
// Arguments: the client URL, and the folder of npm packages.

import { createRequire } from "node:module";
import path from "node:path";

const [url, modules] = process.argv.slice(2);
const sdk = createRequire(path.join(modules, "x.js"))("matrix-js-sdk");
// Its crypto speaks past the logger that it is given.
for (const name of ["debug", "info", "warn", "error", "trace"]) console[name] = () => {};
const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, getChild: () => quiet };

let failed = 0;
let passed = 0;
async function check(name, work) {
  try {
    await work();
    passed++;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}: ${error?.stack ?? error}`);
  }
}

const soon = async (look, what, seconds = 30) => {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

async function user(name) {
  const answer = await (await fetch(`${url}/_matrix/client/v3/register`, {
    method: "POST",
    body: JSON.stringify({ username: name, password: "open sesame", auth: { type: "m.login.dummy" }, inhibit_login: true }),
  })).json();
  const login = await sdk.createClient({ baseUrl: url, logger: quiet }).loginRequest({
    type: "m.login.password", identifier: { type: "m.id.user", user: answer.user_id }, password: "open sesame",
  });
  const client = sdk.createClient({
    baseUrl: url, userId: login.user_id, deviceId: login.device_id, accessToken: login.access_token, logger: quiet,
  });
  await client.initRustCrypto({ useIndexedDB: false });
  await client.startClient({ initialSyncLimit: 50 });
  await soon(() => client.isInitialSyncComplete(), `${name} syncs`);
  return client;
}

const bodies = (client, room) =>
  (client.getRoom(room)?.getLiveTimeline().getEvents() ?? []).map((event) => event.getContent().body);

let alice, bob, room;
await check("two users log in and sync, with encryption", async () => {
  alice = await user("jsalice");
  bob = await user("jsbob");
});
await check("keys are uploaded", async () => {
  // The first sync may be done before they are.
  const devices = () => alice.getCrypto().getUserDeviceInfo([bob.getUserId()], true);
  await soon(async () => (await devices()).get(bob.getUserId())?.size === 1, "bob's device is known");
});
await check("an invite is seen and accepted", async () => {
  const made = await alice.createRoom({
    preset: "private_chat", invite: [bob.getUserId()],
    initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }],
  });
  room = made.room_id;
  await soon(() => bob.getRoom(room)?.getMyMembership() === "invite", "bob sees the invite");
  await bob.joinRoom(room);
  await soon(() => alice.getRoom(room)?.getJoinedMemberCount() === 2, "alice sees bob");
});
await check("an encrypted message is read", async () => {
  await alice.sendTextMessage(room, "a secret");
  await soon(() => bodies(bob, room).includes("a secret"), "bob reads it");
  const event = bob.getRoom(room).getLiveTimeline().getEvents().find((it) => it.getContent().body === "a secret");
  if (!event.isEncrypted()) throw new Error("it was not encrypted");
});
await check("and one is answered", async () => {
  await bob.sendTextMessage(room, "another secret");
  await soon(() => bodies(alice, room).includes("another secret"), "alice reads it");
});
await check("cross-signing and a key backup are set up", async () => {
  const crypto = alice.getCrypto();
  await crypto.bootstrapCrossSigning({
    authUploadDeviceSigningKeys: (request) => request({
      type: "m.login.password", identifier: { type: "m.id.user", user: alice.getUserId() }, password: "open sesame",
    }),
  });
  if (!(await crypto.userHasCrossSigningKeys(alice.getUserId(), true))) throw new Error("no keys");
  await crypto.resetKeyBackup();
  // The library looks for the new backup in the background.
  await soon(() => crypto.getKeyBackupInfo(), "the backup is known");
});
await check("a receipt and typing are seen", async () => {
  await alice.sendTyping(room, true, 10000);
  await soon(() => bob.getRoom(room).getMember(alice.getUserId()).typing, "bob sees alice type");
  const last = bob.getRoom(room).getLiveTimeline().getEvents().at(-1);
  await bob.sendReadReceipt(last);
  await soon(() => alice.getRoom(room).getEventReadUpTo(bob.getUserId()) === last.getId(), "alice sees the receipt");
});
await check("history is paged back", async () => {
  for (let number = 0; number < 60; number++) await alice.sendTextMessage(room, `m${number}`);
  const late = sdk.createClient({
    baseUrl: url, userId: bob.getUserId(), deviceId: bob.getDeviceId(), accessToken: bob.getAccessToken(), logger: quiet,
  });
  await late.startClient({ initialSyncLimit: 5 });
  await soon(() => late.isInitialSyncComplete(), "the late client syncs");
  while (await late.paginateEventTimeline(late.getRoom(room).getLiveTimeline(), { backwards: true, limit: 30 }));
  const events = late.getRoom(room).getLiveTimeline().getEvents();
  if (events[0].getType() !== "m.room.create") throw new Error(`the first is ${events[0].getType()}`);
  late.stopClient();
});
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);

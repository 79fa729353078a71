"""matrix-nio, with end-to-end encryption, through our homeserver and through a mixed pair. Arguments: the
client URLs of ours and of a Synapse."""

import asyncio
import sys
import tempfile

import nio

from checks import Client, check, end

OURS, THEIRS = sys.argv[1:3]
# Without libolm there is no encryption, and the checks say so.
CRYPTO = nio.crypto.ENCRYPTION_ENABLED if hasattr(nio.crypto, "ENCRYPTION_ENABLED") else False


async def user(url, name):
    made = Client(url, name)
    config = nio.AsyncClientConfig(encryption_enabled=CRYPTO, store_sync_tokens=False)
    client = nio.AsyncClient(url, made.id, store_path=tempfile.mkdtemp(), config=config)
    answer = await client.login("open sesame")
    assert isinstance(answer, nio.LoginResponse), answer
    client.seen = []

    def on_message(room, event):
        client.seen.append((event.body, event.decrypted if hasattr(event, "decrypted") else False))

    client.add_event_callback(on_message, nio.RoomMessageText)
    await step(client)
    return client


async def step(client):
    answer = await client.sync(timeout=500, full_state=client.next_batch == "")
    assert isinstance(answer, nio.SyncResponse), answer
    if CRYPTO:
        if client.should_upload_keys:
            await client.keys_upload()
        if client.should_query_keys:
            await client.keys_query()
        for request in [client.send_to_device_messages()]:
            await request


async def until(look, *clients, rounds=60):
    for _ in range(rounds):
        for client in clients:
            await step(client)
        if look():
            return
    raise AssertionError("it never came")


async def talk(url_a, url_b, names):
    a, b = await user(url_a, names[0]), await user(url_b, names[1])
    try:
        state = []
        if CRYPTO:
            state = [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}]
        made = await a.room_create(invite=[b.user_id], initial_state=state)
        assert isinstance(made, nio.RoomCreateResponse), made
        room = made.room_id
        await until(lambda: room in b.invited_rooms, b)
        joined = await b.join(room)
        assert isinstance(joined, nio.JoinResponse), joined
        await until(lambda: room in a.rooms and b.user_id in a.rooms[room].users and room in b.rooms, a, b)
        for sender, other, text in ((a, b, "a secret"), (b, a, "another")):
            content = {"msgtype": "m.text", "body": text}
            sent = await sender.room_send(room, "m.room.message", content, ignore_unverified_devices=True)
            assert isinstance(sent, nio.RoomSendResponse), sent
            await until(lambda: (text, CRYPTO) in other.seen, a, b)
        back = await b.room_messages(room, start=b.next_batch, limit=20)
        assert isinstance(back, nio.RoomMessagesResponse) and len(back.chunk) >= 2, back
    finally:
        await a.close()
        await b.close()


print("encryption:", "yes" if CRYPTO else "no, libolm is missing")
check("two users of ours", lambda: asyncio.run(talk(OURS, OURS, ("nioalice", "niobob"))))
check("ours invites theirs", lambda: asyncio.run(talk(OURS, THEIRS, ("niocarol", "niodave"))))
check("theirs invites ours", lambda: asyncio.run(talk(THEIRS, OURS, ("nioerin", "niofrank"))))
end()

"""Our homeserver beside a real Synapse. Arguments: the client URLs of ours and theirs, and a folder in
which files ask for either to be killed and started again."""

import os
import sys
import time

from checks import Client, check, end, eventually, quoted

OURS, THEIRS, CONTROL = sys.argv[1:4]
FAST = "--fast" in sys.argv


def control(what, server):
    """Asks whoever runs the servers to kill or start one, and waits until that is done."""
    path = os.path.join(CONTROL, f"{what}-{server}")
    open(path, "w").close()
    deadline = time.time() + 60
    while os.path.exists(path):
        assert time.time() < deadline, f"{what} {server} was not done"
        time.sleep(0.05)


alice = Client(OURS, "alice")
bob = Client(THEIRS, "bob")
ours, theirs = alice.id.split(":", 1)[1], bob.id.split(":", 1)[1]
SIDES = {"ours": (alice, bob, ours), "theirs": (bob, alice, theirs)}


def both_see(room, text, *people):
    for person in people:
        eventually(lambda: text in person.texts(room))


def event_everywhere(room, event, *people):
    for person in people:
        eventually(lambda: person.ask("GET", f"/rooms/{quoted(room)}/event/{quoted(event)}")[0] == 200)


def basics(version, side):
    host, guest, name = SIDES[side]

    def work():
        room = host.create(room_version=version)
        guest.join(room, name)
        both_see(room, host.say(room, "from the host") and "from the host", host, guest)
        both_see(room, guest.say(room, "from the guest") and "from the guest", host, guest)
        guest.ok("POST", f"/rooms/{quoted(room)}/leave")
        eventually(lambda: host.members(room) == [host.id])

    check(f"room {version} of {side}: join, messages both ways, leave", work)


for version in ["11"] if FAST else ["10", "11", "12"]:
    for side in SIDES:
        basics(version, side)


def invites(side):
    host, guest, name = SIDES[side]

    def accepted():
        guest.sync()
        room = host.create(preset="private_chat", name="invited", invite=[guest.id], is_direct=True)
        invite = guest.until(lambda s: s["rooms"].get("invite", {}).get(room))
        own = [e for e in invite["invite_state"]["events"] if e.get("state_key") == guest.id]
        assert own and own[0]["content"]["membership"] == "invite", invite
        guest.join(room)
        both_see(room, host.say(room, "welcome") and "welcome", guest)

    def rejected():
        guest.sync()
        room = host.create(preset="private_chat", invite=[guest.id])
        guest.until(lambda s: s["rooms"].get("invite", {}).get(room))
        guest.ok("POST", f"/rooms/{quoted(room)}/leave")
        eventually(lambda: host.state(room, "m.room.member", guest.id)[1].get("membership") == "leave")

    def withdrawn():
        guest.sync()
        room = host.create(preset="private_chat", invite=[guest.id])
        guest.until(lambda s: s["rooms"].get("invite", {}).get(room))
        host.ok("POST", f"/rooms/{quoted(room)}/kick", {"user_id": guest.id})
        guest.until(lambda s: room in s["rooms"].get("leave", {}))
        assert room not in guest.sync(full=True)["rooms"].get("invite", {})

    check(f"an invite by {side} is seen with its member event and accepted", accepted)
    check(f"an invite by {side} is rejected", rejected)
    check(f"an invite by {side} is withdrawn, and gone", withdrawn)


for side in SIDES:
    invites(side)


def moderation(side):
    host, guest, name = SIDES[side]

    def redacted():
        room = host.create()
        guest.join(room, name)
        said = host.say(room, "regretted")
        event_everywhere(room, said, guest)
        host.ok("PUT", f"/rooms/{quoted(room)}/redact/{quoted(said)}/r1", {"reason": "regret"})
        path = f"/rooms/{quoted(room)}/event/{quoted(said)}"
        for person in (host, guest):
            eventually(lambda: "body" not in person.ok("GET", path)["content"])

    def kicked():
        room = host.create()
        guest.join(room, name)
        host.ok("POST", f"/rooms/{quoted(room)}/kick", {"user_id": guest.id, "reason": "r"})
        eventually(lambda: room not in guest.ok("GET", "/joined_rooms")["joined_rooms"])
        status, error = guest.ask("PUT", f"/rooms/{quoted(room)}/send/m.room.message/k", {"body": "x"})
        assert (status, error["errcode"]) == (403, "M_FORBIDDEN"), (status, error)
        guest.join(room, name)
        both_see(room, guest.say(room, "back again") and "back again", host)

    def banned():
        room = host.create()
        guest.join(room, name)
        host.ok("POST", f"/rooms/{quoted(room)}/ban", {"user_id": guest.id})
        eventually(lambda: room not in guest.ok("GET", "/joined_rooms")["joined_rooms"])
        status, error = guest.ask("POST", f"/join/{quoted(room)}?via={quoted(name)}", {})
        assert status == 403, (status, error)
        host.ok("POST", f"/rooms/{quoted(room)}/unban", {"user_id": guest.id})
        eventually(lambda: guest.ask("POST", f"/join/{quoted(room)}?via={quoted(name)}&server_name={quoted(name)}", {})[0] == 200)

    check(f"in a room of {side}: a redaction takes effect on both", redacted)
    check(f"in a room of {side}: kicked, refused with 403, and back", kicked)
    check(f"in a room of {side}: banned, kept out, unbanned, back", banned)


for side in SIDES:
    moderation(side)


def beside(side):
    host, guest, name = SIDES[side]
    room = {}

    def begin():
        room["id"] = host.create()
        guest.join(room["id"], name)
        eventually(lambda: len(host.members(room["id"])) == 2)
        host.sync()

    def ephemeral(sync, kind):
        events = sync["rooms"].get("join", {}).get(room["id"], {}).get("ephemeral", {}).get("events", [])
        return next((e["content"] for e in events if e["type"] == kind), None)

    def typing():
        begin()
        path = f"/rooms/{quoted(room['id'])}/typing/{quoted(guest.id)}"
        guest.ok("PUT", path, {"typing": True, "timeout": 20000})
        host.until(lambda s: (ephemeral(s, "m.typing") or {}).get("user_ids") == [guest.id])
        guest.ok("PUT", path, {"typing": False})
        host.until(lambda s: (ephemeral(s, "m.typing") or {}).get("user_ids") == [])

    def receipts():
        said = host.say(room["id"], "read this")
        event_everywhere(room["id"], said, guest)
        guest.ok("POST", f"/rooms/{quoted(room['id'])}/receipt/m.read/{quoted(said)}")
        host.until(lambda s: guest.id in ((ephemeral(s, "m.receipt") or {}).get(said, {}).get("m.read", {})))

    def presence():
        path = f"/presence/{quoted(guest.id)}/status"
        guest.ok("PUT", path, {"presence": "unavailable", "status_msg": "at sea"})
        host.until(lambda s: any(
            e["sender"] == guest.id and e["content"].get("status_msg") == "at sea"
            for e in s.get("presence", {}).get("events", [])))

    def to_device():
        body = {"messages": {host.id: {"*": {"secret": side}}}}
        guest.ok("PUT", f"/sendToDevice/m.test/{side}", body)
        found = host.until(lambda s: s.get("to_device", {}).get("events"))
        assert [e["content"] for e in found] == [{"secret": side}], found
        assert not host.sync().get("to_device", {}).get("events")

    def keys():
        keys = {"user_id": guest.id, "device_id": guest.device, "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
                "keys": {f"curve25519:{guest.device}": "k", f"ed25519:{guest.device}": "e"},
                "signatures": {guest.id: {f"ed25519:{guest.device}": "s"}}}
        one = {f"signed_curve25519:{n}": {"key": n, "signatures": {}} for n in ("AAA", "BBB")}
        host.sync()
        guest.ok("POST", "/keys/upload", {"device_keys": keys, "one_time_keys": one})
        host.until(lambda s: guest.id in s.get("device_lists", {}).get("changed", []))
        found = eventually(lambda: host.ok("POST", "/keys/query", {"device_keys": {guest.id: []}})["device_keys"].get(guest.id))
        assert found[guest.device]["keys"] == keys["keys"], found
        claim = {"one_time_keys": {guest.id: {guest.device: "signed_curve25519"}}}
        claimed = [host.ok("POST", "/keys/claim", claim)["one_time_keys"][guest.id][guest.device] for _ in range(2)]
        assert len({k for c in claimed for k in c}) == 2, claimed

    check(f"typing reaches {side}", typing)
    check(f"a receipt reaches {side}", receipts)
    check(f"presence reaches {side}", presence)
    check(f"a message to devices reaches {side} once", to_device)
    check(f"keys are told to {side}, asked for and claimed once each", keys)


for side in SIDES:
    beside(side)


def directory(side):
    host, guest, name = SIDES[side]

    def aliased():
        room = host.create(room_alias_name=f"alias_{side}", name=f"Named by {side}", visibility="public")
        alias = f"#alias_{side}:{name}"
        assert guest.ok("GET", f"/directory/room/{quoted(alias)}")["room_id"] == room
        guest.join(alias)
        both_see(room, guest.say(room, "by alias") and "by alias", host)

    def listed():
        rooms = guest.ok("POST", f"/publicRooms?server={quoted(name)}", {"filter": {}})["chunk"]
        assert any(r.get("name") == f"Named by {side}" for r in rooms), rooms

    def profile():
        host.ok("PUT", f"/profile/{quoted(host.id)}/displayname", {"displayname": f"Host {side}"})
        host.ok("PUT", f"/profile/{quoted(host.id)}/avatar_url", {"avatar_url": "mxc://x/y"})
        shown = guest.ok("GET", f"/profile/{quoted(host.id)}")
        assert shown == {"displayname": f"Host {side}", "avatar_url": "mxc://x/y"}, shown
        room = guest.create()
        host.join(room, guest.id.split(":", 1)[1])
        member = eventually(lambda: guest.state(room, "m.room.member", host.id)[1])
        assert member.get("displayname") == f"Host {side}", member

    check(f"a room of {side} is found and joined by its alias", aliased)
    check(f"the public rooms of {side} are listed over federation", listed)
    check(f"profiles of {side} are seen, and in joins", profile)


for side in SIDES:
    directory(side)


def knocking(side):
    host, guest, name = SIDES[side]

    def knocked():
        rule = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
        room = host.create(preset="private_chat", initial_state=[rule])
        guest.ok("POST", f"/knock/{quoted(room)}?via={quoted(name)}&server_name={quoted(name)}", {"reason": "let me in"})
        eventually(lambda: host.state(room, "m.room.member", guest.id)[1].get("membership") == "knock")
        host.ok("POST", f"/rooms/{quoted(room)}/invite", {"user_id": guest.id})
        eventually(lambda: guest.ask("POST", f"/join/{quoted(room)}?via={quoted(name)}&server_name={quoted(name)}", {})[0] == 200)

    def restricted():
        gate = host.create()
        rules = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": gate}]}
        room = host.create(preset="private_chat", initial_state=[{"type": "m.room.join_rules", "content": rules}])
        assert guest.ask("POST", f"/join/{quoted(room)}?via={quoted(name)}&server_name={quoted(name)}", {})[0] == 403
        guest.join(gate, name)
        eventually(lambda: len(host.members(gate)) == 2)
        guest.join(room, name)
        both_see(room, guest.say(room, "inside") and "inside", host)

    def spaces():
        space = host.create(creation_content={"type": "m.space"}, name="space")
        child = host.create(name="child")
        host.ok("PUT", f"/rooms/{quoted(space)}/state/m.space.child/{quoted(child)}", {"via": [name]})
        guest.join(space, name)
        rooms = guest.ok("GET", f"/_matrix/client/v1/rooms/{quoted(space)}/hierarchy")["rooms"]
        assert {r["room_id"] for r in rooms} == {space, child}, rooms

    def upgraded():
        room = host.create(name="old")
        new = host.ok("POST", f"/rooms/{quoted(room)}/upgrade", {"new_version": "12"})["replacement_room"]
        assert host.state(room, "m.room.tombstone")[1]["replacement_room"] == new
        guest.join(new, name)
        both_see(new, guest.say(new, "in the new one") and "in the new one", host)

    check(f"somebody knocks at a room of {side} and is let in", knocked)
    check(f"a restricted room of {side} lets in whoever is in another", restricted)
    check(f"a space of {side} is walked through", spaces)
    check(f"a room of {side} is upgraded", upgraded)


for side in SIDES:
    knocking(side)


def history(side):
    host, guest, name = SIDES[side]

    def paged():
        room = host.create()
        for number in range(30 if FAST else 300):
            host.say(room, f"m{number}")
        guest.join(room, name)
        want = [f"m{number}" for number in range(30 if FAST else 300)]
        eventually(lambda: guest.texts(room) == want, 60)

    check(f"300 messages of a room of {side} are backfilled in order", paged)


for side in SIDES:
    history(side)


def killed(side):
    host, guest, name = SIDES[side]

    def work():
        room = host.create()
        guest.join(room, name)
        both_see(room, guest.say(room, "before") and "before", host)
        control("kill", side)
        for number in range(120):
            guest.say(room, f"away{number}")
        control("start", side)
        want = ["before"] + [f"away{number}" for number in range(120)]
        eventually(lambda: guest.say(room, f"after{time.time()}") and set(want) <= set(host.texts(room)), 60)
        shown = [text for text in host.texts(room) if not text.startswith("after")]
        assert shown == want, [t for t in shown if t not in want] or "in another order"

    check(f"{side} is killed, misses 120 messages, and has them in order after", work)


def conflict():
    room = alice.create()
    bob.join(room, ours)
    levels = alice.state(room, "m.room.power_levels")[1]
    levels.setdefault("users", {})[bob.id] = 50
    alice.ok("PUT", f"/rooms/{quoted(room)}/state/m.room.power_levels", levels)
    eventually(lambda: bob.state(room, "m.room.power_levels")[1]["users"].get(bob.id) == 50)
    control("kill", "ours")
    bob.ok("PUT", f"/rooms/{quoted(room)}/state/m.room.topic", {"topic": "theirs"})
    bob.ok("PUT", f"/rooms/{quoted(room)}/state/m.room.name", {"name": "theirs"})
    control("kill", "theirs")
    control("start", "ours")
    alice.ok("PUT", f"/rooms/{quoted(room)}/state/m.room.topic", {"topic": "ours"})
    control("start", "theirs")
    bob.say(room, "together again")
    alice.say(room, "together again, too")
    kinds = ["m.room.topic", "m.room.name", "m.room.power_levels"]
    states = lambda of: [of.state(room, kind)[1] for kind in kinds]
    eventually(lambda: states(alice) == states(bob) and alice.state(room, "m.room.name")[0] == 200, 40)


if not FAST:
    killed("ours")
    killed("theirs")
    check("conflicting state on both sides of a cut ends alike", conflict)
end()

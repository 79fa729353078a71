"""What every interop script uses: clients, waiting, and one line for each check."""

import json
import sys
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

V3 = "/_matrix/client/v3"


def quoted(text):
    return urllib.parse.quote(text, safe="")


class Client:
    """A logged-in user of a server."""

    count = 0

    def __init__(self, base, name):
        Client.count += 1
        self.base, self.token, self.since = base, None, None
        auth = {"type": "m.login.dummy"}
        body = {"username": name, "password": "open sesame", "auth": auth}
        answer = self.ok("POST", "/register", body)
        self.id, self.token = answer["user_id"], answer["access_token"]
        self.device = answer["device_id"]

    def ask(self, method, path, body=None, timeout=60):
        url = self.base + (path if path.startswith("/_matrix") else V3 + path)
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("Authorization", "Bearer " + self.token)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                return error.code, json.loads(text)
            except ValueError:
                return error.code, {"text": text.decode(errors="replace")}

    def ok(self, method, path, body=None):
        if body is None and method in ("POST", "PUT"):
            body = {}
        status, answer = self.ask(method, path, body)
        assert status == 200, f"{method} {path}: {status} {answer}"
        return answer

    def create(self, **options):
        options.setdefault("preset", "public_chat")
        return self.ok("POST", "/createRoom", options)["room_id"]

    def join(self, room, *via):
        query = "&".join(f"via={quoted(v)}&server_name={quoted(v)}" for v in via)
        return self.ok("POST", f"/join/{quoted(room)}?{query}")["room_id"]

    def say(self, room, text):
        Client.count += 1
        path = f"/rooms/{quoted(room)}/send/m.room.message/t{Client.count}"
        return self.ok("PUT", path, {"msgtype": "m.text", "body": text})["event_id"]

    def state(self, room, kind, key=""):
        return self.ask("GET", f"/rooms/{quoted(room)}/state/{kind}/{quoted(key)}")

    def members(self, room):
        status, answer = self.ask("GET", f"/rooms/{quoted(room)}/joined_members")
        return sorted(answer["joined"]) if status == 200 else []

    def messages(self, room, limit=1000):
        """All events, newest first."""
        events, start = [], ""
        while len(events) < limit:
            path = f"/rooms/{quoted(room)}/messages?dir=b&limit=100{start}"
            answer = self.ok("GET", path)
            events += answer["chunk"]
            if not answer.get("end") or not answer["chunk"]:
                break
            start = "&from=" + quoted(answer["end"])
        return events

    def texts(self, room):
        found = [e["content"].get("body") for e in self.messages(room) if e["type"] == "m.room.message"]
        return [text for text in reversed(found) if text is not None]

    def sync(self, timeout=0, full=False):
        query = f"?timeout={timeout}"
        if self.since and not full:
            query += "&since=" + quoted(self.since)
        answer = self.ok("GET", "/sync" + query)
        self.since = answer["next_batch"]
        return answer

    def until(self, find, seconds=20):
        """Syncs until `find` finds something, and returns that."""
        deadline = time.time() + seconds
        while time.time() < deadline:
            found = find(self.sync(timeout=2000))
            if found:
                return found
        raise AssertionError("it never came by sync")


def eventually(look, seconds=20):
    deadline = time.time() + seconds
    while True:
        try:
            found = look()
            if found:
                return found
        except AssertionError:
            if time.time() > deadline:
                raise
        assert time.time() < deadline, "it never was so"
        time.sleep(0.1)


passed, failed = [], []


def check(name, work):
    began = time.time()
    try:
        work()
        passed.append(name)
        print(f"ok      {name} ({time.time() - began:.1f} s)", flush=True)
    except Exception as error:  # every check is told of, whatever went wrong
        failed.append(name)
        print(f"FAILED  {name}: {error!r}"[:600], flush=True)
        if "-v" in sys.argv:
            traceback.print_exc()


def end():
    print(f"{len(passed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)

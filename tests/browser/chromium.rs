//! A headless Chromium, driven over its debugging pipe: the `DevTools` protocol, JSON between NUL
//! bytes.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// What starts it: the pipe is file descriptors 3 and 4 of the browser, and whatever it does, it
/// ends after two minutes.
const START: &str = "exec timeout 120 chromium --headless --no-sandbox --disable-gpu \
    --disable-quic --no-first-run --disable-background-networking --disable-component-update \
    --disable-sync --remote-debugging-pipe --user-data-dir=\"$0\" about:blank \
    3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";

/// How long something may take until it is on the page, in milliseconds.
const PATIENCE_MS: u64 = 20_000;

/// A page in a browser of its own.
pub(crate) struct Page {
    browser: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    session: Option<String>,
    number: u64,
    /// What happened on the page, in order.
    pub(crate) events: Vec<Value>,
    profile: TempDir,
}

impl Page {
    /// Opens a file, as wide as this, in a light or a dark world.
    pub(crate) fn open(path: &Path, width: u32, scheme: &str) -> Self {
        Self::visit(&format!("file://{}", path.display()), width, scheme)
    }

    /// Opens an address, as wide as this, in a light or a dark world.
    pub(crate) fn visit(address: &str, width: u32, scheme: &str) -> Self {
        let mut page = Self::begin();
        let metrics =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        page.call("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        page.call("Emulation.setEmulatedMedia", &json!({ "features": scheme }));
        page.navigate(address);
        page
    }

    /// Opens a file with scripts switched off.
    pub(crate) fn open_without_script(path: &Path) -> Self {
        let mut page = Self::begin();
        page.call("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
        page.navigate(&format!("file://{}", path.display()));
        page
    }

    fn begin() -> Self {
        let found = Command::new("chromium").arg("--version").stderr(Stdio::null()).output();
        assert!(found.is_ok(), "`chromium` is missing: install Debian's package of that name");
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut browser = Command::new("sh")
            .args(["-c", START])
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let commands = browser.stdin.take();
        let answers = BufReader::new(browser.stdout.take().expect("it is a pipe"));
        let (session, number, events) = (None, 0, Vec::new());
        let mut page = Self { browser, commands, answers, session, number, events, profile };
        let target = page.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let session = page.call("Target.attachToTarget", &target);
        page.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        page
    }

    fn navigate(&mut self, address: &str) {
        self.call("Page.navigate", &json!({ "url": address }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.read();
            self.events.push(event);
        }
    }

    /// Returns the value of an expression of JavaScript; a promise is awaited.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let wanted = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let done = self.call("Runtime.evaluate", &wanted);
        assert!(done.get("exceptionDetails").is_none(), "{expression}: {done}");
        done["result"]["value"].clone()
    }

    /// Waits until an expression of JavaScript is true.
    pub(crate) fn until(&mut self, expression: &str) {
        let wait = format!(
            "new Promise((done) => {{ const look = () => {{ let is = false; \
             try {{ is = Boolean({expression}); }} catch {{}} \
             if (is) done(true); else setTimeout(look, 20); }}; look(); \
             setTimeout(() => done(false), {PATIENCE_MS}); }})"
        );
        let came = self.value(&wait);
        assert!(
            came == true,
            "it never came: {expression}\n{}",
            self.value("document.body.innerText")
        );
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let text = if key == "Enter" && kind == "keyDown" { "\r" } else { text };
            let event = json!({"type": kind, "key": key, "text": text});
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.number += 1;
        let number = self.number;
        let mut message = json!({"id": number, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let commands = self.commands.as_mut().expect("it is open");
        commands.write_all(format!("{message}\0").as_bytes()).expect("the browser reads");
        commands.flush().expect("the browser reads");
        loop {
            let answer = self.read();
            if answer["id"] == number {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.answers.read_until(0, &mut bytes).expect("the browser answers");
        assert_eq!(bytes.pop(), Some(0), "the browser ended");
        serde_json::from_slice(&bytes).expect("JSON")
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Without its pipe, the browser ends; its profile must outlive it.
        self.commands = None;
        let _ended = self.browser.wait();
        let _kept = self.profile.path();
    }
}

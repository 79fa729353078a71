//! `fedsim serve` as a program of its own, which ends with the test.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, and where it listens.
pub(crate) struct Serve {
    program: Child,
    /// `127.0.0.1:` and its port.
    pub(crate) address: String,
}

/// What it answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Serve {
    /// Begins to show a folder.
    pub(crate) fn begin(folder: &Path) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_fedsim"))
            .args(["serve", "--port", "0", "--message-format", "json"])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let output = program.stdout.take().expect("it is a pipe");
        BufReader::new(output).read_line(&mut line).expect("it says where it listens");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        let address = said["address"].as_str().expect("an address");
        let address = address.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { program, address }
    }

    /// Asks it in its own name.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.get_as(&self.address, target)
    }

    /// Asks it in the name of `host`.
    pub(crate) fn get_as(&self, host: &str, target: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let request = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    /// Returns the JSON that it answers.
    pub(crate) fn json(&self, target: &str) -> Value {
        let answer = self.get(target);
        serde_json::from_str(&answer.body).unwrap_or_else(|why| panic!("{target}: {why}"))
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _killed = self.program.kill();
        let _ended = self.program.wait();
    }
}

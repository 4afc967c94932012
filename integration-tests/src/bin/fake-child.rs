//! A child that speaks the MultiLang protocol and misbehaves on request: for tests of `kcl_worker::multilang` that need no
//! other language.
//!
//! Each argument is `WHEN=WHAT`. WHEN is the name of an action, or `data:TEXT` for records with that text; WHAT is done
//! before the status is sent. `log:FILE` appends every line that the child reads to a file, with its process id before it.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, BufRead, Write, stdin, stdout};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio, exit};
use std::thread::{park, park_timeout};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// How often a child that waits for a file looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    match FakeChild::new().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fake child: {error}");
            ExitCode::FAILURE
        }
    }
}

struct FakeChild {
    habits: Vec<(String, String)>,
    log: Option<String>,
}

impl FakeChild {
    fn new() -> Self {
        let (mut habits, mut log) = (Vec::new(), None);
        for argument in env::args().skip(1) {
            if let Some(file) = argument.strip_prefix("log:") {
                log = Some(file.to_owned());
            } else if let Some((when, what)) = argument.split_once('=') {
                habits.push((when.to_owned(), what.to_owned()));
            }
        }
        Self { habits, log }
    }

    fn run(&self) -> io::Result<()> {
        while let Some(message) = self.read()? {
            let action = message["action"].as_str().unwrap_or_default();
            for (when, what) in &self.habits {
                if is_when(when, &message) {
                    self.act(what)?;
                }
            }
            self.finish(action)?;
        }
        self.habits.iter().filter(|(when, _)| when == "eof").try_for_each(|(_, what)| self.act(what))
    }

    /// Says that an action is done, and what must not be said then, in one write.
    fn finish(&self, action: &str) -> io::Result<()> {
        let status = json!({ "action": "status", "responseFor": action });
        let is_to = |what: &str| self.habits.iter().any(|(when, habit)| when == action && habit == what);
        if is_to("status-twice") {
            return say_all(&[&status, &status]);
        }
        if is_to("late-checkpoint") {
            say_all(&[&status, &json!({ "action": "checkpoint", "sequenceNumber": null })])?;
            self.read()?;
            return Ok(());
        }
        say(&status)
    }

    /// The next line, which is also logged.
    fn read(&self) -> io::Result<Option<Value>> {
        let mut line = String::new();
        if stdin().lock().read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if let Some(file) = &self.log {
            let mut file = OpenOptions::new().create(true).append(true).open(file)?;
            file.write_all(format!("{} {line}", std::process::id()).as_bytes())?;
        }
        Ok(Some(serde_json::from_str(&line)?))
    }

    fn act(&self, what: &str) -> io::Result<()> {
        let (what, detail) = what.split_once(':').unwrap_or((what, ""));
        match what {
            "checkpoint" => {
                let number = if detail.is_empty() { Value::Null } else { detail.into() };
                say(&json!({ "action": "checkpoint", "sequenceNumber": number, "subSequenceNumber": null }))?;
                self.read()?;
            }
            // As the libraries for Node and Ruby do: nothing of a sub-sequence number.
            "bare-checkpoint" => {
                say(&json!({ "action": "checkpoint", "sequenceNumber": null }))?;
                self.read()?;
            }
            "exit" => exit(7),
            // Dies if no child before it has.
            "exit-once" if is_first(detail) => exit(7),
            "exit-at" if is_turn(detail, |times, turn| times == turn)? => exit(7),
            // Until there is a file of that name with `.go` after it.
            "wait-at" if is_turn(detail, |times, turn| times >= turn)? => {
                let file = format!("{}.go", detail.split_once(':').map_or("", |(_, file)| file));
                while !Path::new(&file).exists() {
                    park_timeout(LOOK_INTERVAL);
                }
            }
            "checkpoint-and-exit" if is_first(detail) => {
                say(&json!({ "action": "checkpoint", "sequenceNumber": null }))?;
                exit(7);
            }
            "hang" => loop {
                park();
            },
            "noise" => {
                println!("a word of a library\n\n{}\n{{\"action\":\"nonsense\"}}", "x".repeat(200_000));
                stdout().write_all(
                    b"{\"action\":\"status\",\"responseFor\":\"\xff\xfe\"}\n{\"action\":\"stat\n",
                )?;
            }
            // Far more than a pipe holds, with and without ends of lines.
            "flood" => {
                eprint!("{}", "x".repeat(2_000_000));
                eprintln!("{}", "a line\n".repeat(5_000));
            }
            // As the libraries for Python and Ruby do with an exception of the processor.
            "python-raise" if is_first(detail) => {
                eprintln!("Caught exception from action dispatch: noTraceback (most recent call last):");
            }
            "ruby-raise" if is_first(detail) => {
                eprintln!(
                    "RuntimeError: no\n\t/gems/aws-kclrb/lib/aws/kclrb/kcl_process.rb:83:in `dispatch_to_processor'"
                );
            }
            "wrong" => say(&json!({ "action": "status", "responseFor": "somethingElse" }))?,
            "environment" => {
                let names: Vec<String> = env::vars().map(|(name, _)| name).collect();
                std::fs::write(detail, names.join("\n"))?;
            }
            // One that outlives its parent unless the whole group ends.
            "spawn" => {
                let mut command = Command::new("sleep");
                let child = command.arg("1000").stdin(Stdio::null()).spawn()?;
                std::fs::write(detail, format!("{} {}", std::process::id(), child.id()))?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// `TURN:FILE`: the file has a byte for each time that this was asked.
fn is_turn(detail: &str, is: fn(u64, u64) -> bool) -> io::Result<bool> {
    let (turn, path) = detail.split_once(':').unwrap_or_default();
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(b".")?;
    Ok(is(file.metadata()?.len(), turn.parse().unwrap_or_default()))
}

/// True for the first that asks; the file is there for all that follow.
fn is_first(file: &str) -> bool {
    OpenOptions::new().create_new(true).write(true).open(file).is_ok()
}

fn is_when(when: &str, message: &Value) -> bool {
    let Some(text) = when.strip_prefix("data:") else { return message["action"] == when };
    let records = message["records"].as_array().into_iter().flatten();
    let mut data = records.filter_map(|record| BASE64.decode(record["data"].as_str()?).ok());
    data.any(|data| data == text.as_bytes())
}

/// As the libraries do: a line of its own, whatever was printed before.
fn say(message: &Value) -> io::Result<()> {
    say_all(&[message])
}

fn say_all(messages: &[&Value]) -> io::Result<()> {
    let mut text = String::new();
    for message in messages {
        text.extend(["\n", &message.to_string(), "\n"]);
    }
    let mut stdout = stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

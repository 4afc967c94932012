//! The static binary in the image of `docs/operations.md`: a root folder that holds what its Dockerfile copies there and
//! what every container is given, and nothing else. So neither a library nor a resolver of this machine can help it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use integration_tests::wire::Transport;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::worker_process::ask_to_stop;
use crate::backend::{Backend, WAIT_MAX};
use crate::wire::world::{Wire, quick};

/// The variable by which `.ci/static-binary` says where it has put it.
const BINARY_VARIABLE: &str = "STATIC_WORKER_PATH";

const RECORDS: usize = 30;

/// Far more than a worker reads.
const RANDOM_BYTES: usize = 1 << 20;

/// What the Dockerfile says, as far as it is read here.
#[derive(Default)]
struct Image {
    /// From the build's context or another image, to the root.
    copies: Vec<(String, String)>,
    user: String,
    program: String,
}

impl Image {
    fn documented() -> Self {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
        let docs = fs::read_to_string(docs).unwrap();
        let file = docs.split("```dockerfile\n").nth(1).unwrap().split("```").next().unwrap();
        let mut image = Self::default();
        for line in file.lines() {
            let (instruction, rest) = line.split_once(' ').unwrap();
            let words: Vec<&str> = rest.split(' ').filter(|word| !word.starts_with("--from=")).collect();
            match (instruction, words.as_slice()) {
                ("FROM", ["scratch"]) | ("CMD", _) => {}
                ("COPY", [from, to]) => image.copies.push(((*from).to_owned(), (*to).to_owned())),
                ("USER", [user]) => (*user).clone_into(&mut image.user),
                ("ENTRYPOINT", [program]) => {
                    program.trim_matches(['[', '"', ']']).clone_into(&mut image.program)
                }
                _ => panic!("this test cannot do: {line}"),
            }
        }
        image
    }

    /// Makes the root: the binary is the one under test, and the only authority is `authority`.
    fn build(&self, root: &Path, authority: &str) {
        for (from, to) in &self.copies {
            let to = root.join(to.trim_start_matches('/'));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            if from.ends_with("/kcl-worker") {
                fs::copy(std::env::var(BINARY_VARIABLE).unwrap(), to).unwrap();
            } else {
                assert!(from.ends_with("ca-certificates.crt"), "this test cannot copy {from}");
                fs::write(to, authority).unwrap();
            }
        }
        add_what_every_container_is_given(root);
    }

    /// The entry point, in this root and as this user, with no variable of this process. In a name space of its own, so that it
    /// takes no privilege to enter the root.
    fn command(&self, root: &Path) -> Command {
        let (user, group) = self.user.split_once(':').unwrap();
        let mut command = Command::new("unshare");
        command.arg("--user").arg(format!("--map-user={user}")).arg(format!("--map-group={group}"));
        command.arg(format!("--root={}", root.display())).arg("--wd=/").arg(&self.program);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        command.kill_on_drop(true);
        command
    }
}

/// Its runtime mounts `/etc/hosts`, and devices of which a worker needs the random one. Here that is a file of random bytes: a
/// device takes privileges to make.
fn add_what_every_container_is_given(root: &Path) {
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    fs::create_dir_all(root.join("dev")).unwrap();
    let mut random = vec![0; RANDOM_BYTES];
    File::open("/dev/urandom").unwrap().read_exact(&mut random).unwrap();
    for name in ["random", "urandom"] {
        fs::write(root.join("dev").join(name), &random).unwrap();
    }
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("from-scratch");
    if root.exists() {
        fs::remove_dir_all(&root).unwrap();
    }
    root
}

#[tokio::test(flavor = "multi_thread")]
async fn it_finds_names_trusts_the_copied_authority_and_consumes() {
    let (backend, wire) = (Backend::in_process().await, Wire::with(quick(), Transport::Tls).await);
    let stream = wire.create_stream(2);
    wire.put(&stream, 0..RECORDS);
    let (image, root) = (Image::documented(), root());
    image.build(&root, wire.front.certificate_pem().unwrap());

    let mut command = image.command(&root);
    command.envs(backend.environment()).env("AWS_ENDPOINT_URL_KINESIS", wire.front.url());
    command.args(["run", "--stream", stream.name(), "--application", stream.name()]);
    let mut process = command.spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut seen = BTreeSet::new();
    while seen.len() < RECORDS {
        seen.insert(timeout(WAIT_MAX, lines.next_line()).await.unwrap().unwrap().unwrap());
    }
    ask_to_stop(&process).await;
    assert!(timeout(WAIT_MAX, process.wait()).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn the_demo_keeps_its_promises_there() {
    let (image, root) = (Image::documented(), root().with_extension("demo"));
    image.build(&root, "");
    let mut command = image.command(&root);
    let output =
        timeout(WAIT_MAX, command.args(["demo", "--reshard", "--kill"]).output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

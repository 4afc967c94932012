//! How a child is ended: its standard input is closed, then it is asked to, then it is made to. Each step only if the one
//! before has not done it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::child_log::file;
use super::scene::Scene;

/// Notes its process id, that its input has ended, and what it does then.
fn script(log: &Path, afterwards: &str) -> String {
    format!(
        r#"
        log={}
        echo $$ >$log.pid
        while read -r line; do
            action=${{line#*:\"}}
            printf '\n{{"action":"status","responseFor":"%s"}}\n' "${{action%%\"*}}"
        done
        echo EOF >>$log
        {afterwards}
        "#,
        log.display()
    )
}

/// Has such a child ended. Returns what it has noted.
async fn end(afterwards: &str, grace: Duration) -> String {
    let log = file("ending");
    let pid = log.with_extension("pid");
    let mut scene =
        Scene::shell(&script(&log, afterwards).replace("$log.pid", pid.to_str().unwrap()), |settings| {
            settings.exit_grace = grace;
        });
    scene.until_event("ShardStarted").await;
    scene.stop().await;
    scene.until_gone(fs::read_to_string(pid).unwrap().trim().parse().unwrap()).await;
    fs::read_to_string(log).unwrap()
}

const LONG: Duration = Duration::from_secs(60);

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_child_that_exits_when_its_input_ends_is_asked_nothing_more() {
    let noted = end("trap 'echo TERM >>$log; exit' TERM; echo bye >>$log", LONG).await;
    assert_eq!(noted, "EOF\nbye\n");
}

#[tokio::test]
async fn a_child_that_does_not_is_asked_to() {
    let noted = end("trap 'echo TERM >>$log; exit' TERM; while :; do sleep 0.1; done", SHORT).await;
    assert_eq!(noted, "EOF\nTERM\n");
}

#[tokio::test]
async fn a_child_that_does_not_even_then_is_made_to() {
    let noted = end("trap 'echo TERM >>$log' TERM; while :; do sleep 0.1; done", SHORT).await;
    assert_eq!(noted, "EOF\nTERM\n");
}

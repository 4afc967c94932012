//! `config check`, `config show` and `config docs` as a user calls them.

use crate::child::{check, command, file, run};

const GOOD: &[u8] =
    b"# orders\nstream = 'orders'\napplication = 'billing'\nendpoint_url = 'http://me:s3cret@localhost:1'\n";

#[test]
fn a_good_file_is_told_so_with_what_must_come_from_elsewhere() {
    let path = file("good.toml", GOOD);
    check(&run(&["config", "check", path.to_str().unwrap()]), 0, &["good.toml is good\n"], &[]);
    let path = file("short.toml", b"stream = 'orders'\n");
    let parts = ["application is not in it; it must come from --application or KCL_APPLICATION"];
    check(&run(&["config", "check", path.to_str().unwrap()]), 0, &parts, &[]);
}

#[test]
fn a_bad_file_is_told_all_that_is_wrong_and_where() {
    let path = file("bad.toml", b"stream = 'a b'\nfailover_ms = 5\nmax_leases = '7'\n");
    let output = run(&["config", "check", path.to_str().unwrap()]);
    let parts =
        ["has 3 problems", "bad.toml:1: ", "bad.toml:2: ", "did you mean failover_time_ms?", "bad.toml:3: "];
    check(&output, 2, &[], &parts);
    assert_eq!(output.stdout, b"");
}

#[test]
fn a_properties_file_is_told_what_has_no_effect() {
    let path = file(
        "app.properties",
        b"executableName=app.py\nstreamName=s\napplicationName=app\nmaxActiveThreads=5\n",
    );
    let parts = ["warning: ", "app.properties:4: maxActiveThreads has no effect: "];
    check(&run(&["config", "check", path.to_str().unwrap()]), 0, &["is good"], &parts);
    let path = file("bad.properties", b"maxRecord=5\n");
    check(&run(&["config", "check", path.to_str().unwrap()]), 2, &[], &["bad.properties:1: ", "maxRecords?"]);
}

#[test]
fn effective_settings_are_shown_with_their_origin_and_without_secrets() {
    let path = file("show.toml", GOOD);
    let path = path.to_str().unwrap();
    let show = |more: &[&str]| {
        let options = [&["config", "show", "--config", path, "--max-leases", "5"], more].concat();
        command(&options).env("KCL_TABLE", "leases").output().unwrap()
    };
    let table = show(&[]);
    check(
        &table,
        0,
        &["show.toml:2\n", "leases ", "environment KCL_TABLE\n", "http://***@localhost:1", "--max-leases\n"],
        &[],
    );
    check(&table, 0, &["failover_time_ms", "10000", "default\n"], &[]);
    let json = show(&["--json"]);
    let settings: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let settings = settings.as_array().unwrap();
    let find = |name: &str| settings.iter().find(|setting| setting["name"] == name).unwrap();
    assert_eq!(
        (&find("max_leases")["value"], &find("max_leases")["origin"]),
        (&"5".into(), &"--max-leases".into())
    );
    assert_eq!(find("region")["value"], serde_json::Value::Null);
    for output in [table, json] {
        assert!(!String::from_utf8_lossy(&output.stdout).contains("s3cret"));
    }
    check(&show(&["--failover-time-ms", "x"]), 2, &[], &["--failover-time-ms is 'x'"]);
}

#[test]
fn the_reference_is_printed() {
    check(
        &run(&["config", "docs"]),
        0,
        &["# Configuration", "`failover_time_ms`", "`failoverTimeMillis`"],
        &[],
    );
}

/// All of it before anything is started.
#[test]
fn a_worker_does_not_start_with_a_bad_file_or_two() {
    let toml = file("worker.toml", b"stream = 'orders'\nnonsense = 1\n");
    let toml = toml.to_str().unwrap();
    check(
        &run(&["run", "--config", toml]),
        2,
        &[],
        &["2 problems", "worker.toml:2: ", "application is missing"],
    );
    check(&run(&["run", "--config", toml, "--properties", toml]), 2, &[], &["give one of them"]);
    let by_variable = command(&["run"]).env("KCL_CONFIG", toml).output().unwrap();
    check(&by_variable, 2, &[], &["worker.toml:2: "]);
    check(&run(&["run", "--config", "/no/such/file"]), 2, &[], &["cannot read '/no/such/file'"]);
}

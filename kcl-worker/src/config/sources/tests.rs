use std::fs;

use super::*;
use crate::config::arguments;

fn flags(line: &str) -> ArgMatches {
    let command = clap::Command::new("run").args(file_arguments()).args(arguments(&Schema::worker()));
    command.try_get_matches_from(std::iter::once("run").chain(line.split_whitespace())).unwrap()
}

fn sources(line: &str, environment: &[(&str, &str)]) -> Sources {
    let flags = flags(line);
    let environment: Vec<_> = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Sources { files: Files::chosen(&flags, &environment), environment, flags }
}

fn resolved(line: &str, environment: &[(&str, &str)]) -> Resolved {
    sources(line, environment).resolve(&Schema::worker()).unwrap()
}

/// A file of these settings, whose name ends so.
fn file(name: &str, content: &[u8]) -> String {
    let path = env::temp_dir().join(format!("kcl-worker-sources-{}-{name}", std::process::id()));
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let path = file("a.toml", b"stream = 'f'\napplication = 'fff'\ntable = 'ttt'\nregion = 'r'\n");
    let environment = [("KCL_CONFIG", path.as_str()), ("KCL_APPLICATION", "eee"), ("KCL_TABLE", "eee")];
    let resolved =
        resolved("--table xxx --fan-out-deregister-at-stop=false --bisect-batch-on-error", &environment);
    let shown = |name: &'static str| {
        let (value, origin) = resolved.effective(Schema::worker().find(name).unwrap());
        format!("{value} {origin}")
    };
    assert_eq!(shown("stream"), format!("f {path}:1"));
    assert_eq!(shown("application"), "eee environment KCL_APPLICATION");
    assert_eq!(shown("table"), "xxx --table");
    assert_eq!(shown("region"), format!("r {path}:4"));
    assert_eq!(shown("bisect_batch_on_error"), "true --bisect-batch-on-error");
    assert_eq!(shown("max_leases"), "(no limit) default");
    assert_eq!((resolved.config.stream.name(), resolved.config.lease_table()), ("f", "xxx"));
    fs::remove_file(path).unwrap();
}

#[test]
fn problems_of_all_sources_come_together_also_of_values_that_are_hidden() {
    let path = file("b.toml", b"\xef\xbb\xbfstream = 'a b'\nmax_leases = 0\nnonsense = 1\n");
    let line = format!("--config {path} --max-leases 5 --failover-time-ms 1 --shutdown-grace-ms -5");
    let problems = resolved(&line, &[("KCL_FETCH_BYTES_MAX", "1"), ("KCL_STREAMS", "x")]).problems;
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 7, "{problems:#?}");
    for (problem, start) in problems.iter().zip([
        format!("{path}:1: stream is 'a b'"),
        format!("{path}:2: max_leases is '0'"),
        format!("{path}:3: there is no setting nonsense"),
        "environment KCL_STREAMS: there is no such setting; did you mean KCL_STREAM?".to_owned(),
        "environment KCL_FETCH_BYTES_MAX is '1'; use a whole number, at least 4194304".to_owned(),
        "--shutdown-grace-ms is '-5'".to_owned(),
        "--failover-time-ms is '1'".to_owned(),
    ]) {
        assert!(problem.starts_with(&start), "{problem}");
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn a_file_of_each_kind_is_a_mistake_and_a_flag_beats_the_variable_of_its_own() {
    let resolved = resolved("--config a.toml", &[("KCL_PROPERTIES", "b.properties")]);
    let problem = resolved.problems[0].to_string();
    assert_eq!(
        problem,
        "--config is 'a.toml' and environment KCL_PROPERTIES is 'b.properties'; give one of them"
    );
    assert!(
        matches!(sources("--config a", &[("KCL_CONFIG", "b")]).files, Files::Toml(path) if path == Path::new("a"))
    );
    assert!(
        matches!(sources("", &[("KCL_PROPERTIES", "b")]).files, Files::Properties(path) if path == Path::new("b"))
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    for (path, part) in
        [("/no/such/file", "No such file"), ("/", "directory"), ("/dev/zero", "larger than 1048576")]
    {
        for flag in ["--config", "--properties"] {
            let problem = resolved(&format!("{flag} {path}"), &[]).problems[0].to_string();
            assert!(
                problem.starts_with(&format!("cannot read '{path}': ")) && problem.contains(part),
                "{problem}"
            );
        }
    }
}

#[cfg(unix)]
#[test]
fn a_flag_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStringExt;
    let command = clap::Command::new("run").args(file_arguments()).args(arguments(&Schema::worker()));
    let words = ["run".into(), "--region".into(), OsString::from_vec(vec![0xff])];
    let flags = command.try_get_matches_from(words).unwrap();
    let sources = Sources { files: Files::None, environment: Vec::new(), flags };
    let resolved = sources.resolve(&Schema::worker()).unwrap();
    assert!(
        resolved.problems[0].to_string().starts_with("--region is not UTF-8 text"),
        "{:?}",
        resolved.problems
    );
}

#[test]
fn a_file_alone_is_read_by_its_name() {
    let properties = file("c.properties", b"maxRecord=1\n");
    let problems = Sources::file_alone(Path::new(&properties)).resolve(&Schema::worker()).unwrap().problems;
    assert!(problems[0].to_string().contains("did you mean maxRecords?"), "{problems:?}");
    let toml = file("c.toml", b"max_record = 1\n");
    let problems = Sources::file_alone(Path::new(&toml)).resolve(&Schema::worker()).unwrap().problems;
    assert!(problems[0].to_string().contains("there is no setting max_record"), "{problems:?}");
    fs::remove_file(properties).unwrap();
    fs::remove_file(toml).unwrap();
}

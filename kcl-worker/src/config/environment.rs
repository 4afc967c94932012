use std::ffi::{OsStr, OsString};

use super::assignment::Assignment;
use super::key::Key;
use super::layer::Layer;
use super::mask::printable;
use super::origin::Origin;
use super::problem::Problem;
use super::schema::Schema;
use super::value::Value;

/// What the variables of settings begin with.
const PREFIX: &str = "KCL_";

/// The variable for `--config`.
pub(super) const CONFIG_VARIABLE: &str = "KCL_CONFIG";

/// The variable for `--properties`.
pub(super) const PROPERTIES_VARIABLE: &str = "KCL_PROPERTIES";

/// Reads the variables that are settings. Others of their prefix are mistakes, but for those that Kubernetes sets.
pub(super) fn read(schema: &Schema, variables: &[(OsString, OsString)]) -> Layer {
    let mut layer = Layer::default();
    let mut variables: Vec<_> = variables.iter().collect();
    variables.sort();
    for (name, value) in variables {
        let Some(name) = setting_name(name) else { continue };
        match assignment(schema, &name, value) {
            Ok(assignment) => layer.assignments.push(assignment),
            Err(problem) => layer.problems.push((0, problem)),
        }
    }
    layer
}

fn setting_name(name: &OsStr) -> Option<String> {
    let name = name.to_string_lossy();
    let is_setting = name.starts_with(PREFIX) && name != CONFIG_VARIABLE && name != PROPERTIES_VARIABLE;
    (is_setting && !is_service_link(&name)).then(|| name.into_owned())
}

/// Kubernetes tells each container of each service by such variables, so of one called `kcl-worker` by
/// `KCL_WORKER_SERVICE_HOST` and `KCL_WORKER_PORT_8080_TCP_ADDR` (documentation of Services, discovering services).
fn is_service_link(name: &str) -> bool {
    let ends = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];
    let protocols = ["_TCP", "_UDP", "_SCTP"];
    ends.iter().any(|end| name.ends_with(end))
        || name.contains("_SERVICE_PORT_")
        || name.split_once("_PORT_").is_some_and(|(_, rest)| {
            let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            digits.len() < rest.len() && protocols.iter().any(|protocol| digits.starts_with(protocol))
        })
}

fn assignment(schema: &Schema, name: &str, value: &OsStr) -> Result<Assignment, Problem> {
    let key = schema.keys().find(|key| key.variable() == name).ok_or_else(|| unknown(schema, name))?;
    let Some(text) = value.to_str() else {
        return Err(Problem::new(format!("environment {name} is not UTF-8 text; use {}", key.accepts())));
    };
    Ok(Assignment {
        key,
        value: Value::Text(text.to_owned()),
        origin: Origin::Environment(name.to_owned()),
        spelling: name.to_owned(),
    })
}

fn unknown(schema: &Schema, name: &str) -> Problem {
    let known: Vec<String> = schema.keys().map(Key::variable).collect();
    let files = [CONFIG_VARIABLE, PROPERTIES_VARIABLE];
    let nearest = super::nearest::did_you_mean(name, known.iter().map(String::as_str).chain(files));
    Problem::new(format!("environment {}: there is no such setting{nearest}; unset it", printable(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_pairs(pairs: &[(&str, &str)]) -> Layer {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
        read(&Schema::worker(), &pairs)
    }

    #[test]
    fn only_variables_of_the_prefix_are_settings() {
        let layer =
            read_pairs(&[("KCL_STREAM", "orders"), ("STREAM", "x"), ("KCL_CONFIG", "f"), ("kcl_table", "y")]);
        assert!(layer.problems.is_empty());
        let [assignment] = &layer.assignments[..] else { panic!("{layer:?}") };
        assert_eq!((assignment.key.name, assignment.shown().as_str()), ("stream", "orders"));
        assert_eq!(assignment.origin.to_string(), "environment KCL_STREAM");
    }

    #[test]
    fn an_unknown_variable_is_told_the_nearest() {
        let layer = read_pairs(&[("KCL_FAILOVER_MS", "1")]);
        let (_, problem) = &layer.problems[0];
        assert!(problem.to_string().contains("did you mean KCL_FAILOVER_TIME_MS?"), "{problem}");
    }

    #[test]
    fn what_kubernetes_says_of_services_is_no_setting() {
        let layer = read_pairs(&[
            ("KCL_WORKER_SERVICE_HOST", "10.0.0.1"),
            ("KCL_WORKER_SERVICE_PORT", "8080"),
            ("KCL_WORKER_SERVICE_PORT_METRICS", "8080"),
            ("KCL_WORKER_PORT", "tcp://10.0.0.1:8080"),
            ("KCL_WORKER_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("KCL_WORKER_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ]);
        assert!(layer.problems.is_empty() && layer.assignments.is_empty(), "{layer:?}");
        assert_eq!(read_pairs(&[("KCL_PORT_X", "1")]).problems.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_no_text_is_named() {
        use std::os::unix::ffi::OsStringExt;
        let pair = ("KCL_REGION".into(), OsString::from_vec(vec![0xff]));
        let layer = read(&Schema::worker(), &[pair]);
        assert!(layer.problems[0].1.to_string().starts_with("environment KCL_REGION is not UTF-8"));
    }
}

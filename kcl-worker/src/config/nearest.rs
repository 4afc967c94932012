/// Two names less alike than this are not taken for one another (Jaro-Winkler, as clap does with flags).
const LIKENESS_MIN: f64 = 0.7;

/// The known name that is most like the unknown one, as the end of a message.
pub(crate) fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let lower = unknown.to_ascii_lowercase();
    let likeness = |name: &str| strsim::jaro_winkler(&lower, &name.to_ascii_lowercase());
    let scored = known.into_iter().map(|name| (likeness(name), name));
    let best = scored.filter(|(likeness, _)| *likeness >= LIKENESS_MIN).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or_else(String::new, |(_, name)| format!("; did you mean {name}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_name_is_named_and_a_strange_one_is_not() {
        let known = ["failover_time_ms", "fan_out", "fetch_bytes_max"];
        assert_eq!(did_you_mean("failover_ms", known), "; did you mean failover_time_ms?");
        assert_eq!(did_you_mean("FAN_OUTS", known), "; did you mean fan_out?");
        assert_eq!(did_you_mean("xyzzy", known), "");
    }
}

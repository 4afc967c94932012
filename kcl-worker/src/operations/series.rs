use std::fmt::Write;
use std::sync::Mutex;
use std::sync::PoisonError;

use metrics::{HistogramFn, Key};

/// The label that names a shard.
pub(super) const SHARD_LABEL: &str = "shard";

/// What the names of the worker's own metrics begin with. Those of the program's processor come and go with no shard, whatever
/// their labels say.
const OWN_PREFIX: &str = "kcl_";

/// Upper bounds in seconds: from a processor that only counts to one that waits for others.
const BOUNDS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0, 300.0];

/// What tells one series from another: the metric, and its labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeriesKey {
    pub(super) name: String,
    pub(super) shard: Option<String>,
    others: Vec<(String, String)>,
}

impl SeriesKey {
    pub(super) fn new(key: &Key) -> Self {
        let (mut shard, mut others) = (None, Vec::new());
        let is_ours = key.name().starts_with(OWN_PREFIX);
        for label in key.labels() {
            if label.key() == SHARD_LABEL && is_ours {
                shard = Some(label.value().to_owned());
            } else {
                others.push((legal(label.key(), false), label.value().to_owned()));
            }
        }
        Self { name: legal_name(key.name()), shard, others }
    }

    /// A series of our own, without other labels.
    pub(super) fn of_shard(name: &str, shard: Option<String>) -> Self {
        Self { name: name.to_owned(), shard, others: Vec::new() }
    }

    pub(super) fn without_shard(self) -> Self {
        Self { shard: None, ..self }
    }

    /// `name_suffix{labels} value`, with `extra` as one more label.
    pub(super) fn write(&self, text: &mut String, suffix: &str, extra: Option<(&str, &str)>, value: f64) {
        text.push_str(&self.name);
        text.push_str(suffix);
        let shard = self.shard.as_ref().map(|shard| (SHARD_LABEL, shard.as_str()));
        let others = self.others.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut before = '{';
        for (name, value) in shard.into_iter().chain(others).chain(extra) {
            text.push(before);
            before = ',';
            text.push_str(name);
            text.push_str("=\"");
            escape(text, value);
            text.push('"');
        }
        if before == ',' {
            text.push('}');
        }
        let _infallible = writeln!(text, " {value}");
    }
}

/// The name of a metric as Prometheus takes it: it refuses the whole text for one name that it does not.
pub(super) fn legal_name(name: &str) -> String {
    legal(name, true)
}

/// Letters, digits and `_`, and in names of metrics `:`; no digit at the start.
fn legal(name: &str, is_metric: bool) -> String {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || (c == ':' && is_metric);
    let start = if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { "_" } else { "" };
    start.chars().chain(name.chars().map(|c| if is_legal(c) { c } else { '_' })).collect()
}

/// As the text format has it for values of labels; in a help text a quote may stay as well.
pub(super) fn escape(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            _ => text.push(character),
        }
    }
}

/// How many values fell between the bounds, and their sum.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// By the first bound that is not below the value; the last is that of values above all.
    counts: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Buckets {
    pub(super) fn write(&self, text: &mut String, key: &SeriesKey) {
        let Counts { counts, sum } = &*self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total = 0;
        let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (count, bound) in counts.iter().zip(bounds) {
            total += count;
            key.write(text, "_bucket", Some(("le", &bound)), number(total));
        }
        key.write(text, "_sum", None, *sum);
        key.write(text, "_count", None, number(total));
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        let bucket = BOUNDS.partition_point(|bound| *bound < value);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.counts[bucket] += 1;
        counts.sum += value;
    }
}

/// Prometheus takes numbers as 64-bit floats in any case.
#[expect(clippy::cast_precision_loss)]
pub(super) fn number(value: u64) -> f64 {
    value as f64
}

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kcl_core::Event;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::series::{Buckets, SeriesKey, escape, legal_name, number};

/// The counters of a shard that has left are kept for so many rounds of upkeep, for scrapes to see their last values.
const ROUNDS_KEPT: u32 = 15;

/// At most so many shards that have left have counters after a round of upkeep.
const DEPARTED_MAX: usize = 1_000;

/// Prometheus sees no increase where a series begins. What is alerted on if it happens once begins at 0: this of the worker, and
/// those of each shard.
const ALERTED: &str = "kcl_leases_lost_total";

/// See [`ALERTED`].
const ALERTED_OF_SHARDS: [&str; 2] = ["kcl_positions_trimmed_total", "kcl_shards_trimmed_total"];

/// Of these the worst shard tells more than the sum, where shards are not told apart.
const MAXIMA: [&str; 1] = ["kcl_millis_behind_latest"];

/// What the `metrics` facade was told, as Prometheus reads it.
///
/// The usual exporter cannot remove a series at a given moment, and a shard's lag must not be shown once another worker has
/// the shard: gauges of a shard are those of a shard that this worker holds, and go with it; its counters follow some
/// [rounds](Self::upkeep) later. Without labels for shards, counters are summed up over all shards that there ever were, and
/// gauges over those held: the largest lag, and the sum of anything else.
pub struct Metrics {
    shard_labels: bool,
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    counters: BTreeMap<SeriesKey, Arc<AtomicU64>>,
    gauges: BTreeMap<SeriesKey, Arc<AtomicU64>>,
    histograms: BTreeMap<SeriesKey, Arc<Buckets>>,
    meanings: BTreeMap<String, String>,
    held: BTreeSet<String>,
    /// Shards with counters that are not held, and the rounds left to them.
    departed: BTreeMap<String, u32>,
}

impl Metrics {
    /// Nothing so far. `shard_labels` says whether shards are told apart.
    pub fn new(shard_labels: bool) -> Self {
        let mut registry = Registry::default();
        registry.begin_at_zero(ALERTED, None);
        Self { shard_labels, registry: Mutex::new(registry) }
    }

    /// Takes note of which shards are held.
    pub fn observe(&self, event: &Event<'_>) {
        match event {
            Event::LeaseTaken { shard, .. } => self.hold(shard.to_string()),
            Event::LeaseLost { shard, .. }
            | Event::LeaseReleased { shard }
            | Event::LeaseHandedOver { shard, .. }
            | Event::ReleaseFailed { shard, .. }
            | Event::ShardFailed { shard, .. }
            | Event::ShardEnded { shard, .. } => self.registry().let_go(shard.to_string()),
            _ => {}
        }
    }

    /// Forgets what is over. To be called once a minute.
    pub fn upkeep(&self) {
        self.registry().upkeep();
    }

    /// Everything, in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        let registry = self.registry();
        let mut text = String::new();
        let mut last = "";
        for (key, counter) in &registry.counters {
            registry.begin(&mut text, &mut last, &key.name, "counter");
            key.write(&mut text, "", None, number(counter.load(Ordering::Relaxed)));
        }
        let gauges = registry.gauge_values(self.shard_labels);
        for (key, value) in &gauges {
            registry.begin(&mut text, &mut last, &key.name, "gauge");
            key.write(&mut text, "", None, *value);
        }
        for (key, buckets) in &registry.histograms {
            registry.begin(&mut text, &mut last, &key.name, "histogram");
            buckets.write(&mut text, key);
        }
        text
    }

    fn hold(&self, shard: String) {
        let mut registry = self.registry();
        for name in ALERTED_OF_SHARDS {
            registry.begin_at_zero(name, self.shard_labels.then(|| shard.clone()));
        }
        registry.hold(shard);
    }

    fn describe(&self, name: &KeyName, meaning: &SharedString) {
        self.registry().meanings.insert(legal_name(name.as_str()), meaning.to_string());
    }

    /// A panic elsewhere leaves nothing half written.
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn begin_at_zero(&mut self, name: &str, shard: Option<String>) {
        self.counters.entry(SeriesKey::of_shard(name, shard)).or_default();
    }

    fn hold(&mut self, shard: String) {
        self.departed.remove(&shard);
        self.held.insert(shard);
    }

    fn let_go(&mut self, shard: String) {
        if self.held.remove(&shard) {
            self.gauges.retain(|key, _| key.shard.as_ref() != Some(&shard));
            self.departed.insert(shard, ROUNDS_KEPT);
        }
    }

    /// True if this worker holds the series' shard, or it is of none.
    fn is_held(&self, key: &SeriesKey) -> bool {
        key.shard.as_ref().is_none_or(|shard| self.held.contains(shard))
    }

    fn upkeep(&mut self) {
        for rounds in self.departed.values_mut() {
            *rounds -= 1;
        }
        let mut rounds: Vec<u32> = self.departed.values().copied().collect();
        rounds.sort_unstable_by(|a, b| b.cmp(a));
        let least = rounds.get(DEPARTED_MAX).map_or(0, |rounds| *rounds);
        self.departed.retain(|_, rounds| *rounds > least);
        let Self { counters, histograms, held, departed, .. } = self;
        let stays = |key: &SeriesKey| {
            key.shard.as_ref().is_none_or(|shard| held.contains(shard) || departed.contains_key(shard))
        };
        counters.retain(|key, _| stays(key));
        histograms.retain(|key, _| stays(key));
    }

    fn gauge_values(&self, shard_labels: bool) -> BTreeMap<SeriesKey, f64> {
        let mut values = BTreeMap::new();
        for (key, gauge) in &self.gauges {
            let value = f64::from_bits(gauge.load(Ordering::Relaxed));
            if shard_labels {
                values.insert(key.clone(), value);
                continue;
            }
            let sum = values.entry(key.clone().without_shard()).or_insert(0.0);
            *sum = if MAXIMA.contains(&key.name.as_str()) { value.max(*sum) } else { *sum + value };
        }
        values
    }

    fn begin<'a>(&self, text: &mut String, last: &mut &'a str, name: &'a str, kind: &str) {
        if *last == name {
            return;
        }
        *last = name;
        if let Some(meaning) = self.meanings.get(name) {
            let _infallible = write!(text, "# HELP {name} ");
            escape(text, meaning);
            text.push('\n');
        }
        let _infallible = writeln!(text, "# TYPE {name} {kind}");
    }
}

impl Recorder for Metrics {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, meaning: SharedString) {
        self.describe(&name, &meaning);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, meaning: SharedString) {
        self.describe(&name, &meaning);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, meaning: SharedString) {
        self.describe(&name, &meaning);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut key = SeriesKey::new(key);
        if !self.shard_labels {
            key = key.without_shard();
        }
        let mut registry = self.registry();
        if let (false, Some(shard)) = (registry.is_held(&key), &key.shard) {
            registry.departed.entry(shard.clone()).or_insert(ROUNDS_KEPT);
        }
        Counter::from_arc(Arc::clone(registry.counters.entry(key).or_default()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let key = SeriesKey::new(key);
        let mut registry = self.registry();
        if !registry.is_held(&key) {
            return Gauge::noop();
        }
        Gauge::from_arc(Arc::clone(registry.gauges.entry(key).or_default()))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let mut key = SeriesKey::new(key);
        if !self.shard_labels {
            key = key.without_shard();
        }
        Histogram::from_arc(Arc::clone(self.registry().histograms.entry(key).or_default()))
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("shard_labels", &self.shard_labels).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use super::class::Class;
use super::simulation::Outcome;

/// A crash should cost no more failover times than this, plus one scan interval.
const TAKEOVER_MAX: f64 = 1.3;

/// What the runs of one class were worth together.
#[derive(Debug, Clone)]
pub struct Summary {
    class: Class,
    seeds: usize,
    failed: usize,
    records: usize,
    duplicates: usize,
    /// In failover times of their run, less one scan interval, ascending.
    takeovers: Vec<f64>,
    /// The same for fleets that others came to or left.
    unsettled_takeovers: Vec<f64>,
    /// Ascending.
    stop_gaps: Vec<Duration>,
    /// Ascending.
    move_gaps: Vec<Duration>,
}

impl Summary {
    /// Of the outcomes of `class`.
    pub fn new<'a>(class: Class, outcomes: impl Iterator<Item = &'a Outcome>) -> Self {
        let mut summary = Self {
            class,
            seeds: 0,
            failed: 0,
            records: 0,
            duplicates: 0,
            takeovers: Vec::new(),
            unsettled_takeovers: Vec::new(),
            stop_gaps: Vec::new(),
            move_gaps: Vec::new(),
        };
        for Outcome { violation, measures, failover_time, lease_scan_interval, .. } in outcomes {
            summary.seeds += 1;
            summary.failed += usize::from(violation.is_some());
            summary.records += measures.put;
            summary.duplicates += measures.duplicates;
            let in_failover_times = |takeover: &Duration| {
                takeover.saturating_sub(*lease_scan_interval).div_duration_f64(*failover_time)
            };
            summary.takeovers.extend(measures.takeovers.iter().map(in_failover_times));
            summary.unsettled_takeovers.extend(measures.unsettled_takeovers.iter().map(in_failover_times));
            summary.stop_gaps.extend(&measures.stop_gaps);
            summary.move_gaps.extend(&measures.move_gaps);
        }
        summary.takeovers.sort_by(f64::total_cmp);
        summary.unsettled_takeovers.sort_by(f64::total_cmp);
        summary.stop_gaps.sort();
        summary.move_gaps.sort();
        summary
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, seeds, failed, records, duplicates, .. } = self;
        let Self { takeovers, unsettled_takeovers, stop_gaps, move_gaps, .. } = self;
        let class = class.to_string();
        write!(f, "{class:<10} {seeds:>5} seeds, {failed} failed; ")?;
        write!(f, "{records} records, {duplicates} duplicates")?;
        for (takeovers, whose) in [(takeovers, "a settled fleet"), (unsettled_takeovers, "others")] {
            if let (Some(median), Some(max)) = (median(takeovers), takeovers.last()) {
                let late = takeovers.iter().filter(|takeover| **takeover > TAKEOVER_MAX).count();
                let count = takeovers.len();
                write!(f, "; {count} crashes of {whose} cost one scan and {median:.2} failover times")?;
                write!(f, " (most {max:.2}, {late} above {TAKEOVER_MAX})")?;
            }
        }
        for (gaps, why) in [(stop_gaps, "stops"), (move_gaps, "joins")] {
            if let (Some(median), Some(max)) = (median(gaps), gaps.last()) {
                let (count, median, max) = (gaps.len(), median.as_secs_f64(), max.as_secs_f64());
                write!(f, "; {count} moves at {why} took {median:.2} s (most {max:.2} s)")?;
            }
        }
        Ok(())
    }
}

/// The middle one of values in order.
fn median<T>(sorted: &[T]) -> Option<&T> {
    sorted.get(sorted.len() / 2)
}

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use kcl_core::model::ShardId;
use kcl_core::testing::Verdict;

use super::board::ShardRow;
use super::stage::Stage;
use super::table::table;
use crate::Failure;
use crate::signals::STATUS_INTERRUPTED;

/// Why the demo came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All of the input is put and processed.
    Consumed,
    /// A person stopped it.
    Interrupted,
    /// It made no progress any more.
    Stalled,
    /// It could not go on.
    Failed(Failure),
}

/// How it went.
#[derive(Debug)]
pub(super) struct Report {
    ending: Ending,
    verdict: Verdict,
    first_record: Option<Duration>,
    elapsed: Duration,
    shards: BTreeMap<ShardId, ShardRow>,
}

impl Report {
    pub(super) fn new(stage: &Stage, ending: Ending) -> Self {
        Self {
            ending,
            verdict: stage.oracle.verdict(),
            first_record: stage.board.first_record(),
            elapsed: stage.started_at.elapsed(),
            shards: stage.board.shards(),
        }
    }

    /// The exit status: 0 only for a whole input and a good verdict.
    pub(super) fn into_status(self) -> Result<u8, Failure> {
        match self.ending {
            Ending::Consumed if self.verdict.is_good() => Ok(0),
            Ending::Consumed | Ending::Stalled => Ok(1),
            Ending::Interrupted => Ok(STATUS_INTERRUPTED),
            Ending::Failed(failure) => Err(failure),
        }
    }

    fn headline(&self) -> String {
        let promises = if self.verdict.is_good() {
            "every record was delivered, in order within its partition key"
        } else {
            "promises were broken"
        };
        match &self.ending {
            Ending::Consumed if self.verdict.is_good() => format!("GOOD: {promises}"),
            Ending::Consumed => format!("BAD: {promises}"),
            Ending::Interrupted => "UNFINISHED: interrupted; so far:".to_owned(),
            Ending::Stalled => "BAD: no progress any more; so far:".to_owned(),
            Ending::Failed(failure) => format!("UNFINISHED: {failure}; so far:"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { put, delivered, duplicates, missing, unknown, out_of_order } = &self.verdict;
        writeln!(f, "\nVerdict: {}", self.headline())?;
        writeln!(f, "  records put      {put}")?;
        writeln!(f, "  delivered        {delivered}")?;
        match self.ending {
            // What nobody waited for is not missing.
            Ending::Interrupted | Ending::Failed(_) => writeln!(f, "  not yet delivered {}", missing.count)?,
            Ending::Consumed | Ending::Stalled => writeln!(f, "  missing          {missing}")?,
        }
        writeln!(f, "  out of order     {out_of_order}")?;
        writeln!(f, "  never put        {unknown}")?;
        writeln!(
            f,
            "  duplicates       {duplicates} (permitted: processed, but not committed before a crash or a move)"
        )?;
        match self.first_record {
            Some(time) => writeln!(f, "  first record     after {:.3} s", time.as_secs_f64())?,
            None => writeln!(f, "  first record     none came")?,
        }
        writeln!(f, "  in all           {:.3} s", self.elapsed.as_secs_f64())?;
        if self.ending != Ending::Consumed || !self.verdict.is_good() {
            writeln!(f, "\n{}", table(&self.shards))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kcl_core::testing::Offenders;

    use super::*;

    fn report(ending: Ending, missing: usize) -> Report {
        Report {
            ending,
            verdict: Verdict {
                put: 10,
                delivered: 10 - missing,
                duplicates: 3,
                missing: Offenders { count: missing, named: vec!["shardId-0/7/0".to_owned(); missing] },
                unknown: Offenders::default(),
                out_of_order: Offenders::default(),
            },
            first_record: None,
            elapsed: Duration::ZERO,
            shards: BTreeMap::from([(ShardId::new("shardId-0"), ShardRow::default())]),
        }
    }

    #[test]
    fn only_a_consumed_input_with_a_good_verdict_is_a_success() {
        let refused = Failure::Usage("no".to_owned());
        assert_eq!(report(Ending::Consumed, 0).into_status(), Ok(0));
        assert_eq!(report(Ending::Consumed, 1).into_status(), Ok(1));
        assert_eq!(report(Ending::Stalled, 0).into_status(), Ok(1));
        assert_eq!(report(Ending::Interrupted, 0).into_status(), Ok(STATUS_INTERRUPTED));
        assert_eq!(report(Ending::Failed(refused.clone()), 0).into_status(), Err(refused));
    }

    #[test]
    fn a_bad_verdict_names_what_is_missing_and_how_each_shard_stands() {
        let shown = report(Ending::Stalled, 1).to_string();
        for part in ["Verdict: BAD", "missing          1 (shardId-0/7/0)", "shard 0     free"] {
            assert!(shown.contains(part), "no '{part}' in: {shown}");
        }
    }

    #[test]
    fn what_was_not_waited_for_is_counted_and_not_named() {
        for ending in [Ending::Interrupted, Ending::Failed(Failure::Runtime("no".to_owned()))] {
            let shown = report(ending, 1).to_string();
            assert!(shown.contains("not yet delivered 1\n") && !shown.contains("shardId-0/7/0"), "{shown}");
        }
    }
}

use std::time::Duration;

use super::script::Script;
use crate::cli::DemoArgs;

/// Generated events per second: at the default count, the demo feeds for six seconds.
const EVENTS_PER_SECOND: u32 = 1_000;

/// Records per second from a file, as long as there is something to happen in the middle of it.
const SCRIPTED_RECORDS_PER_SECOND: u32 = 1_000;

/// How fast the producer puts records. Pure: time is an argument.
///
/// Whatever is to happen on the way must happen in the middle of the records. So an input that would be at its end too
/// early is stretched over the time that the script takes.
#[derive(Debug)]
pub(super) struct Pace {
    records_per_second: Option<u32>,
    script_time: Duration,
}

impl Pace {
    pub(super) fn new(args: &DemoArgs, script: &Script) -> Self {
        let generated = args.input.is_none().then_some(EVENTS_PER_SECOND);
        Self { records_per_second: args.records_per_second.or(generated), script_time: script.planned_time() }
    }

    /// The time from one record to the next, `elapsed` after the start, when so many records are `left`, as far as that
    /// is known.
    pub(super) fn gap(&self, elapsed: Duration, left: Option<u64>) -> Duration {
        let script_left = self.script_time.saturating_sub(elapsed);
        let scripted = (!script_left.is_zero()).then_some(SCRIPTED_RECORDS_PER_SECOND);
        let usual = match self.records_per_second.or(scripted) {
            Some(records) => Duration::from_secs(1) / records,
            None => Duration::ZERO,
        };
        match left.and_then(|left| u32::try_from(left).ok()) {
            Some(left) if left > 0 => usual.max(script_left / left),
            _ => usual,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pace(records_per_second: Option<u32>, script_secs: u64) -> Pace {
        Pace { records_per_second, script_time: Duration::from_secs(script_secs) }
    }

    #[test]
    fn a_file_is_fed_as_fast_as_possible_once_nothing_is_to_happen() {
        assert_eq!(pace(None, 0).gap(Duration::ZERO, Some(5)), Duration::ZERO);
        assert_eq!(pace(None, 3).gap(Duration::ZERO, None), MS);
        assert_eq!(pace(None, 3).gap(3000 * MS, None), Duration::ZERO);
    }

    #[test]
    fn a_rate_that_is_asked_for_is_kept() {
        assert_eq!(pace(Some(10), 3).gap(Duration::ZERO, None), 100 * MS);
        assert_eq!(pace(Some(10), 0).gap(Duration::ZERO, Some(1)), 100 * MS);
    }

    #[test]
    fn a_short_input_is_stretched_over_the_script() {
        assert_eq!(pace(Some(1000), 4).gap(Duration::ZERO, Some(8)), 500 * MS);
        assert_eq!(pace(Some(1000), 4).gap(3000 * MS, Some(2)), 500 * MS);
        assert_eq!(pace(Some(1000), 4).gap(5000 * MS, Some(2)), MS);
    }
}

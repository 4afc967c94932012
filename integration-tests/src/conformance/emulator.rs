use clap::ValueEnum;

use super::{ferrokinesis, kinesis_mock, localstack, service};

/// The cases that an implementation does not keep, by reason.
pub(super) type Departures = &'static [(&'static str, &'static [&'static str])];

/// What no real clock shows within a test.
pub(super) const NEEDS_TIME: (&str, &[&str]) = (
    "it takes more time than a test has",
    &[
        "the_trim_horizon_moves_past_a_closed_shard",
        "a_subscription_takes_over_after_five_seconds",
        "a_subscription_that_took_over_keeps_others_away",
        "a_subscription_ends_in_good_order_after_five_minutes",
        "a_shard_is_read_at_two_mebibytes_a_second",
        "a_read_returns_ten_mebibytes_and_closes_the_shard_for_five_seconds",
        "a_consumer_is_sent_two_mebibytes_a_second_of_a_shard",
        "an_iterator_can_be_used_for_five_minutes",
        "an_iterator_expires_after_five_minutes",
        "a_read_returns_an_iterator_with_five_minutes_of_its_own",
        "trim_horizon_moves_past_old_records",
        "the_number_of_an_old_record_reads_from_the_trim_horizon",
        "the_number_of_an_old_record_subscribes_from_the_trim_horizon",
        "a_time_before_the_trim_horizon_reads_from_it",
        "a_closed_shard_is_gone_after_its_last_record",
    ],
);

/// What needs a stream of more than a thousand shards, which no emulator has room for and nobody wants to pay.
pub(super) const NEEDS_PAGES: (&str, &[&str]) = (
    "a stream of several pages would need more shards than there is room for",
    &[
        "a_listing_comes_in_pages",
        "a_page_can_be_asked_for_again",
        "a_page_token_can_be_used_for_five_minutes",
        "an_expired_page_token_is_worth_another_try",
        "a_page_token_of_another_stream_is_refused",
    ],
);

/// What answers at an endpoint. Each has departures of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Emulator {
    /// `ferrokinesis` 0.7.0.
    Ferrokinesis,
    /// `kinesis-mock` 0.6.2, which npm calls `kinesis-local`.
    KinesisMock,
    /// `LocalStack` 2026.3.0. Its departures are what is known of it: nobody has run the suite there.
    Localstack,
    /// Amazon Kinesis itself. Nobody has run the suite there.
    Service,
}

impl Emulator {
    /// The cases that it does not keep, each with the reason.
    pub fn departures(self) -> Vec<(&'static str, &'static str)> {
        let by_reason = match self {
            Self::Ferrokinesis => ferrokinesis::DEPARTURES,
            Self::KinesisMock => kinesis_mock::DEPARTURES,
            Self::Localstack => localstack::DEPARTURES,
            Self::Service => service::DEPARTURES,
        };
        by_reason.iter().flat_map(|(reason, cases)| cases.iter().map(move |case| (*case, *reason))).collect()
    }

    /// True if its departures are those of a run of ours.
    pub fn is_tried(self) -> bool {
        matches!(self, Self::Ferrokinesis | Self::KinesisMock)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kcl_core::testing::kinesis_suite;

    use super::*;

    /// Lists that nothing here runs must not rot.
    #[test]
    fn departures_name_each_case_once() {
        let cases: BTreeSet<&str> = kinesis_suite::cases().iter().map(|case| case.name).collect();
        for emulator in Emulator::value_variants() {
            let mut named = BTreeSet::new();
            for (case, _) in emulator.departures() {
                assert!(cases.contains(case), "{emulator:?} departs from '{case}', which is no case");
                assert!(named.insert(case), "{emulator:?} departs twice from '{case}'");
            }
        }
    }
}

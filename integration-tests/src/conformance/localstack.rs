//! What `LocalStack` 2026.3.0 is known not to show, by reason. Nobody has run the suite there, so the list is neither
//! complete nor sure: a finding may be one of the list.

use super::emulator::{Departures, NEEDS_PAGES, NEEDS_TIME};

pub(super) const DEPARTURES: Departures = &[
    NEEDS_TIME,
    NEEDS_PAGES,
    (
        "AT_TRIM_HORIZON shows shards that did not exist then",
        &["at_trim_horizon_shows_the_shards_that_were_open_then"],
    ),
    (
        "AT_TIMESTAMP is cut to whole seconds",
        &[
            "at_timestamp_is_exact_to_the_millisecond",
            "at_timestamp_after_the_newest_record_starts_at_the_next",
        ],
    ),
    ("a malformed iterator is an error of the server", &["a_malformed_iterator_is_refused"]),
    (
        "any number of subscriptions of a consumer read a shard",
        &[
            "a_subscription_within_five_seconds_of_another_is_refused",
            "a_dropped_subscription_keeps_its_place_for_five_seconds",
            "a_refused_subscription_leaves_the_other_as_it_is",
            "subscribing_is_tried_once_a_second",
        ],
    ),
    (
        "at the end of a shard the connection of a subscription is cut",
        &[
            "a_closed_shard_is_pushed_to_its_end",
            "a_subscription_from_before_a_split_reaches_the_end",
            "the_last_event_of_a_split_parent_names_both_children",
            "the_last_event_of_a_merged_parent_names_the_child_with_both_parents",
            "the_last_event_has_no_continuation_number",
            "nothing_follows_the_last_event",
            "an_empty_closed_shard_ends_with_its_first_event",
            "a_subscription_from_latest_in_a_closed_shard_ends_at_once",
            "a_subscription_after_the_last_record_of_a_closed_shard_ends_at_once",
        ],
    ),
    (
        "reads have no quotas, and writes fail by chance instead",
        &[
            "a_shard_is_read_five_times_a_second",
            "a_shard_takes_a_thousand_records_a_second",
            "a_shard_takes_a_mebibyte_a_second",
            "quotas_are_those_of_a_shard",
        ],
    ),
];

//! What `kinesis-mock` 0.6.2 does not show, by reason.

use super::emulator::{Departures, NEEDS_PAGES, NEEDS_TIME};

pub(super) const DEPARTURES: Departures = &[
    NEEDS_TIME,
    NEEDS_PAGES,
    (
        "filters at the trim horizon, or at times before the stream, show every shard",
        &[
            "at_trim_horizon_shows_the_shards_that_were_open_then",
            "times_before_the_stream_are_those_of_its_creation",
            "a_filter_holds_for_every_page",
        ],
    ),
    ("a malformed iterator is an error of the server", &["a_malformed_iterator_is_refused"]),
    ("a number of another shard is a position, too", &["a_sequence_number_of_another_shard_is_refused"]),
    (
        "SubscribeToShard is never refused: what is wrong comes in the stream, if at all",
        &[
            "a_subscription_within_five_seconds_of_another_is_refused",
            "a_dropped_subscription_keeps_its_place_for_five_seconds",
            "a_refused_subscription_leaves_the_other_as_it_is",
            "subscribing_is_tried_once_a_second",
            "a_consumer_that_is_being_created_may_not_subscribe",
            "an_unknown_consumer_may_not_subscribe",
            "a_deregistered_consumer_may_not_subscribe",
            "an_unknown_shard_has_no_subscription",
            "a_malformed_position_has_no_subscription",
        ],
    ),
    ("a subscription outlives its consumer", &["the_subscription_of_a_deregistered_consumer_fails"]),
    (
        "a subscription to a closed shard goes on as if the shard were idle",
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
        "there are no quotas of records",
        &[
            "a_shard_is_read_five_times_a_second",
            "a_shard_gives_five_iterators_a_second",
            "a_shard_takes_a_thousand_records_a_second",
            "a_shard_takes_a_mebibyte_a_second",
            "quotas_are_those_of_a_shard",
        ],
    ),
    ("a record may be larger than a mebibyte", &["a_record_has_a_mebibyte_at_most"]),
];

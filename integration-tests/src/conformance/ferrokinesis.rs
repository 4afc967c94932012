//! What `ferrokinesis` 0.7.0 does not show, by reason.

use super::emulator::{Departures, NEEDS_PAGES, NEEDS_TIME};

pub(super) const DEPARTURES: Departures = &[
    NEEDS_TIME,
    NEEDS_PAGES,
    (
        "arrival times are cut to whole seconds, so no two records of a case differ",
        &[
            "at_timestamp_is_exact_to_the_millisecond",
            "at_timestamp_before_the_oldest_record_starts_at_it",
            "at_timestamp_after_the_newest_record_starts_at_the_next",
            "a_subscription_from_a_time_starts_with_the_record_of_that_time",
        ],
    ),
    ("MillisBehindLatest is always 0", &["a_reader_with_a_backlog_is_behind"]),
    (
        "GetRecords never has ChildShards; only ListShards tells of them",
        &[
            "the_end_of_a_split_parent_names_both_children",
            "the_end_of_a_merged_parent_names_the_child_with_both_parents",
        ],
    ),
    (
        "ShardFilter is ignored",
        &[
            "at_latest_shows_the_open_shards",
            "at_trim_horizon_shows_the_shards_that_were_open_then",
            "at_timestamp_shows_the_shards_that_were_open_then",
            "from_timestamp_shows_the_shards_that_were_open_then_and_their_children",
            "times_before_the_stream_are_those_of_its_creation",
            "after_a_shard_come_those_with_higher_names",
            "after_the_last_shard_comes_none",
            "a_filter_holds_for_every_page",
        ],
    ),
    ("tokens of pages do not work", &["a_malformed_page_token_is_refused"]),
    (
        "the number and the time of a StartingPosition are thrown away, so a subscription starts at the oldest record",
        &[
            "a_subscription_starts_where_an_iterator_would",
            "a_subscription_resumes_after_the_continuation_number",
            "the_continuation_number_of_an_idle_shard_can_be_resumed_from",
            "a_subscription_after_the_last_record_of_a_closed_shard_ends_at_once",
        ],
    ),
    (
        "any number of subscriptions of a consumer read a shard",
        &[
            "a_subscription_within_five_seconds_of_another_is_refused",
            "a_dropped_subscription_keeps_its_place_for_five_seconds",
            "a_refused_subscription_leaves_the_other_as_it_is",
            "subscribing_is_tried_once_a_second",
        ],
    ),
    ("a subscription outlives its consumer", &["the_subscription_of_a_deregistered_consumer_fails"]),
    ("a number of another shard is a position, too", &["a_malformed_position_has_no_subscription"]),
    (
        "the end of a shard comes twice, and names one parent of a merged child",
        &[
            "the_last_event_of_a_merged_parent_names_the_child_with_both_parents",
            "nothing_follows_the_last_event",
        ],
    ),
    (
        "quotas are enforced only if asked for, and then not those of reads",
        &[
            "a_shard_is_read_five_times_a_second",
            "a_shard_gives_five_iterators_a_second",
            "a_shard_takes_a_thousand_records_a_second",
            "a_shard_takes_a_mebibyte_a_second",
            "quotas_are_those_of_a_shard",
            "a_stream_creates_five_consumers_at_a_time",
        ],
    ),
    (
        "the key does not count as part of a record, and its bytes count instead of its characters",
        &["a_record_has_a_mebibyte_at_most", "a_partition_key_has_256_characters_at_most"],
    ),
];

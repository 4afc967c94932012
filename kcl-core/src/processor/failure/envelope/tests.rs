use proptest::option;
use proptest::prelude::*;

use super::*;

const ARN: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";

fn batch() -> FailedBatch {
    let record = |sub_sequence_number, key: &str, data: &'static [u8]| Record {
        position: RecordPosition { sequence_number: "49590".parse().unwrap(), sub_sequence_number },
        partition_key: key.into(),
        explicit_hash_key: (sub_sequence_number > 0).then_some(u128::MAX),
        approximate_arrival: Timestamp::from_millis(1_700_000_000_120),
        data: Bytes::from_static(data),
    };
    FailedBatch {
        shard: ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-000000000002")),
        parents: vec![ShardId::new("shardId-000000000000")],
        stream_arn: Some(ARN.parse().unwrap()),
        worker: WorkerId::new("host-1").unwrap(),
        fencing_token: 41,
        records: vec![record(0, "a \"b\"", b"\xff\x00"), record(3, "c", b"")],
        condition: FailureCondition::RetryAttemptsExhausted,
        attempts: 3,
        error: Some("no\nroom".to_owned()),
        first_failed_at: Some(Timestamp::from_millis(1_700_000_001_000)),
        given_up_at: Timestamp::from_millis(1_700_000_009_999),
    }
}

/// Programs of others read it, and copies are told by the key: neither may ever change.
#[test]
fn the_form_is_that_of_lambda_and_what_it_lacks() {
    let expected = concat!(
        r#"{"requestContext":{"requestId":"KEY","#,
        r#""condition":"RetryAttemptsExhausted","approximateInvokeCount":3},"#,
        r#""responseContext":{"functionError":"Unhandled"},"version":"1.0","timestamp":"2023-11-14T22:13:29.999Z","#,
        r#""KinesisBatchInfo":{"shardId":"shardId-000000000002","startSequenceNumber":"49590","#,
        r#""endSequenceNumber":"49590","approximateArrivalOfFirstRecord":"2023-11-14T22:13:20.120Z","#,
        r#""approximateArrivalOfLastRecord":"2023-11-14T22:13:20.120Z","batchSize":2,"#,
        r#""streamArn":"arn:aws:kinesis:eu-west-1:123456789012:stream/orders","streamName":"orders"},"#,
        r#""worker":"host-1","fencingToken":41,"errorMessage":"no\nroom","#,
        r#""firstFailureAt":"2023-11-14T22:13:21.000Z","idempotencyKey":"KEY","#,
        r#""parentShardIds":["shardId-000000000000"],"records":["#,
        r#"{"sequenceNumber":"49590","subSequenceNumber":0,"partitionKey":"a \"b\"","#,
        r#""approximateArrivalTimestamp":"2023-11-14T22:13:20.120Z","data":"/wA="},"#,
        r#"{"sequenceNumber":"49590","subSequenceNumber":3,"partitionKey":"c","#,
        r#""explicitHashKey":"340282366920938463463374607431768211455","#,
        r#""approximateArrivalTimestamp":"2023-11-14T22:13:20.120Z","data":""}]}"#,
    );
    assert_eq!(batch().to_json().unwrap(), expected.replace("KEY", "2c83f219-fbe6-3697-92f5-99fee47c9929"));
}

/// `docs/delivery.md` shows one.
#[test]
fn the_documented_batch_is_what_is_written() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/delivery.md");
    let page = std::fs::read_to_string(page).unwrap();
    let shown = page.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let read = FailedBatch::from_json(shown.as_bytes()).unwrap();
    let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
    assert_eq!(value(&read.to_json().unwrap()), value(shown));
}

#[test]
fn what_is_not_known_is_absent() {
    let never_called = FailedBatch {
        parents: Vec::new(),
        stream_arn: None,
        condition: FailureCondition::RecordAgeExceeded,
        attempts: 0,
        error: None,
        first_failed_at: None,
        ..batch()
    };
    let json = never_called.to_json().unwrap();
    for field in [
        "responseContext",
        "errorMessage",
        "firstFailureAt",
        "streamIdentifier",
        "streamArn",
        "parentShardIds",
        "null",
    ] {
        assert!(!json.contains(field), "{field} in {json}");
    }
    assert_eq!(FailedBatch::from_json(json.as_bytes()).unwrap(), never_called);
}

#[test]
fn the_key_tells_the_records_and_nothing_else() {
    let key = batch().idempotency_key();
    let later = FailedBatch {
        stream_arn: None,
        worker: WorkerId::new("host-2").unwrap(),
        fencing_token: 42,
        condition: FailureCondition::RecordAgeExceeded,
        attempts: 9,
        error: None,
        first_failed_at: None,
        given_up_at: Timestamp::default(),
        ..batch()
    };
    assert_eq!(later.idempotency_key(), key);
    let mut others = vec![batch(), batch(), batch()];
    others[0].shard.shard_id = ShardId::new("shardId-000000000003");
    others[1].shard.stream = StreamId::named("returns").unwrap();
    let _ = others[2].records.pop();
    // The same ends, and another record between them.
    let mut longer = batch();
    let mut between = longer.records[0].clone();
    between.position.sub_sequence_number = 1;
    longer.records.insert(1, between);
    others.push(longer);
    let mut keys: Vec<String> = others.iter().map(FailedBatch::idempotency_key).chain([key]).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 5, "{keys:?}");
}

#[test]
fn a_long_error_is_cut() {
    let long = FailedBatch { error: Some("é".repeat(1_000_000)), ..batch() };
    let json = long.to_json().unwrap();
    assert!(json.len() < 12_000, "{} bytes", json.len());
    let read = FailedBatch::from_json(json.as_bytes()).unwrap();
    assert_eq!(read.error.unwrap(), "é".repeat(ERROR_CHARS_MAX));
}

#[test]
fn a_time_that_has_no_text_is_the_nearest_that_has() {
    for (time, year) in [(i64::MIN, "\"-009999"), (i64::MAX, "\"9999")] {
        let json = FailedBatch { given_up_at: Timestamp::from_millis(time), ..batch() }.to_json().unwrap();
        assert!(json.contains(&format!("\"timestamp\":{year}")), "{json}");
        assert!(FailedBatch::from_json(json.as_bytes()).is_ok());
    }
}

#[test]
fn a_batch_without_records_has_no_form() {
    let error = FailedBatch { records: Vec::new(), ..batch() }.to_json().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("orders:shardId-000000000002"), "{error}");
}

#[test]
fn what_is_wrong_is_said() {
    let json = batch().to_json().unwrap();
    let table = [
        (r#""version":"1.0""#, r#""version":"2.0""#, "'2.0'"),
        ("RetryAttemptsExhausted", "Tired", "'Tired'"),
        (r#""batchSize":2"#, r#""batchSize":3"#, "batchSize is 3"),
        (r#""subSequenceNumber":3"#, r#""subSequenceNumber":0"#, "49590/0 comes before 49590/0"),
        (r#""data":"/wA=""#, r#""data":"/wA""#, "padding"),
        (r#","data":"/wA=""#, "", "`data`"),
        (r#""sequenceNumber":"49590""#, r#""sequenceNumber":"x""#, "'x'"),
        (r#""streamName":"orders""#, r#""streamName":"a b""#, "'a b'"),
        (r#":stream/orders""#, r#"""#, "is not the ARN of a stream"),
        (r#""worker":"host-1""#, r#""worker":"""#, "worker id is empty"),
        (r#""timestamp":"2023"#, r#""timestamp":"soon"#, "soon"),
        (r#""records""#, r#""payload""#, "`records`"),
    ];
    for (old, new, problem) in table {
        let wrong = json.replacen(old, new, 1);
        assert_ne!(wrong, json, "{old} is not there");
        let error = FailedBatch::from_json(wrong.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(problem), "no {problem} in: {error}");
    }
}

#[test]
fn fields_of_another_program_are_ignored() {
    let json = batch().to_json().unwrap().replacen('{', r#"{"seenBy":["ada"],"#, 1);
    assert_eq!(FailedBatch::from_json(json.as_bytes()).unwrap(), batch());
}

/// A batch of one shard, as the framework makes it, with whatever a producer or a processor can say.
fn any_batch() -> impl Strategy<Value = FailedBatch> {
    let stream = prop_oneof![
        Just(StreamId::named("orders").unwrap()),
        Just(StreamId::with_incarnation("123456789012", "orders", 1_700_000_000).unwrap()),
    ];
    let records = prop::collection::vec(any_record(), 1..5).prop_map(|mut records| {
        records.sort_by(|one, other| one.position.cmp(&other.position));
        records.dedup_by(|one, other| one.position == other.position);
        records
    });
    let condition = prop_oneof![
        Just(FailureCondition::RetryAttemptsExhausted),
        Just(FailureCondition::RecordAgeExceeded)
    ];
    let arn = option::of(Just(ARN.parse().unwrap()));
    let parents = prop::collection::vec(any::<String>().prop_map(ShardId::new), 0..3);
    let end = (arn, condition, any::<u32>(), option::of(any::<String>()), option::of(any_time()), any_time());
    let fields = (stream, parents, ".+", any::<u64>(), records, end);
    fields.prop_map(|(stream, parents, worker, fencing_token, records, end)| {
        let (stream_arn, condition, attempts, error, first_failed_at, given_up_at) = end;
        FailedBatch {
            shard: ShardKey::new(stream, ShardId::new("shardId-000000000002")),
            parents,
            stream_arn,
            worker: WorkerId::new(worker).unwrap(),
            fencing_token,
            records,
            condition,
            attempts,
            error,
            first_failed_at,
            given_up_at,
        }
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    let data = prop::collection::vec(any::<u8>(), 0..40);
    (any::<u128>(), any::<u64>(), any::<String>(), option::of(any::<u128>()), any_time(), data).prop_map(
        |(sequence_number, sub_sequence_number, key, explicit_hash_key, approximate_arrival, data)| Record {
            position: RecordPosition {
                sequence_number: sequence_number.to_string().parse().unwrap(),
                sub_sequence_number,
            },
            partition_key: key.into(),
            explicit_hash_key,
            approximate_arrival,
            data: data.into(),
        },
    )
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (-62_000_000_000_000_i64..250_000_000_000_000).prop_map(Timestamp::from_millis)
}

proptest! {
    #[test]
    fn every_batch_survives_a_round_trip_on_one_line(batch in any_batch()) {
        let json = batch.to_json().unwrap();
        prop_assert!(!json.contains('\n'));
        prop_assert_eq!(FailedBatch::from_json(json.as_bytes()).unwrap(), batch);
    }

    #[test]
    fn a_batch_that_breaks_off_is_corrupt(batch in any_batch(), cut: prop::sample::Index) {
        let json = batch.to_json().unwrap().into_bytes();
        let error = FailedBatch::from_json(&json[..cut.index(json.len())]).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_changed_byte_is_read_or_refused(batch in any_batch(), at: prop::sample::Index, byte: u8) {
        let mut json = batch.to_json().unwrap().into_bytes();
        let at = at.index(json.len());
        json[at] = byte;
        if let Err(error) = FailedBatch::from_json(&json) {
            prop_assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn any_bytes_are_refused(bytes: Vec<u8>) {
        prop_assert!(FailedBatch::from_json(&bytes).is_err());
    }
}

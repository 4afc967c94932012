use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use kcl_core::model::{RecordPosition, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn record(sequence_number: &str, sub_sequence_number: u64, key: &str, data: &[u8], millis: i64) -> Record {
    let sequence_number = sequence_number.parse().unwrap();
    Record {
        position: RecordPosition { sequence_number, sub_sequence_number },
        partition_key: key.into(),
        explicit_hash_key: Some(7),
        approximate_arrival: Timestamp::from_millis(millis),
        data: Bytes::copy_from_slice(data),
    }
}

fn text(line: Vec<u8>) -> String {
    String::from_utf8(line).unwrap()
}

fn request(sequence_number: Option<&str>, sub_sequence_number: Option<i64>) -> CheckpointRequest {
    CheckpointRequest { sequence_number: sequence_number.map(str::to_owned), sub_sequence_number }
}

fn checkpoint(sequence_number: Option<&str>, sub_sequence_number: Option<i64>) -> FromChild {
    FromChild::Checkpoint(request(sequence_number, sub_sequence_number))
}

fn status(response_for: &str) -> FromChild {
    FromChild::Status { response_for: Some(response_for.to_owned()) }
}

#[test]
fn lines_have_the_fields_the_order_and_the_nulls_of_the_java_daemon() {
    let shard = ShardId::new("shardId-123");
    let at = Checkpoint::At(record("456", 2, "", b"", 0).position);
    assert_eq!(
        text(initialize(&shard, &at)),
        "{\"action\":\"initialize\",\"shardId\":\"shardId-123\",\"sequenceNumber\":\"456\",\"subSequenceNumber\":2}\n"
    );
    assert_eq!(
        text(initialize(&shard, &Checkpoint::TrimHorizon)),
        "{\"action\":\"initialize\",\"shardId\":\"shardId-123\",\"sequenceNumber\":\"TRIM_HORIZON\",\"subSequenceNumber\":0}\n"
    );
    assert_eq!(
        text(process_records(&[record("456", 0, "cat", b"meow", 1_476_889_707_000)], 5)),
        concat!(
            r#"{"action":"processRecords","records":[{"data":"bWVvdw==","partitionKey":"cat","sequenceNumber":"456","#,
            r#""approximateArrivalTimestamp":1476889707000,"subSequenceNumber":0,"action":"record"}],"millisBehindLatest":5}"#,
            "\n"
        )
    );
    assert_eq!(text(bare(Action::ShardEnded)), "{\"action\":\"shardEnded\"}\n");
    assert_eq!(
        text(checkpoint_reply(&request(Some("456"), None), Some("ThrottlingException"))),
        concat!(
            r#"{"action":"checkpoint","sequenceNumber":"456","subSequenceNumber":null,"error":"ThrottlingException"}"#,
            "\n"
        )
    );
    assert_eq!(
        text(checkpoint_reply(&request(None, Some(3)), None)),
        "{\"action\":\"checkpoint\",\"sequenceNumber\":null,\"subSequenceNumber\":3,\"error\":null}\n"
    );
}

/// Lines from the tests of the three libraries.
#[test]
fn what_the_libraries_write_is_understood() {
    for (line, expected) in [
        (r#"{"action": "status", "responseFor": "initialize"}"#, status("initialize")),
        (r#"  {"action":"status","responseFor":"shutdownRequested"}  "#, status("shutdownRequested")),
        (
            r#"{"action": "checkpoint", "sequenceNumber": "456", "subSequenceNumber": null}"#,
            checkpoint(Some("456"), None),
        ),
        (
            r#"{"action": "checkpoint", "sequenceNumber": null, "subSequenceNumber": null}"#,
            checkpoint(None, None),
        ),
        (r#"{"action":"checkpoint","sequenceNumber":"456"}"#, checkpoint(Some("456"), None)),
        (r#"{"action":"checkpoint"}"#, checkpoint(None, None)),
        // The Java daemon's parser takes these, too.
        (
            r#"{"action":"checkpoint","sequenceNumber":49590338271490256608559692538361571095921575989136588898,"subSequenceNumber":"3"}"#,
            checkpoint(Some("49590338271490256608559692538361571095921575989136588898"), Some(3)),
        ),
        (r#"{"action":"status","responseFor":"leaseLost"} and a word of a thread"#, status("leaseLost")),
        (r#"{"action":"status"}"#, FromChild::Status { response_for: None }),
    ] {
        assert_eq!(FromChild::parse(line.as_bytes()), Some(expected), "{line}");
    }
}

#[test]
fn what_the_java_daemon_skips_is_noise() {
    for line in [
        "",
        "    ",
        "  bogus data  ",
        r#"{"action":"checkpoint","checkpoint":"456"}"#,
        r#"{"action":"initialize"}"#,
        r#"{"action":"checkpoint","sequenceNumber":{}}"#,
        r#"{"action":"checkpoint","subSequenceNumber":"x"}"#,
        r#"{"responseFor":"initialize"}"#,
        r#"{"action":"status","responseFor":"initialize""#,
        "null",
        "[]",
    ] {
        assert_eq!(FromChild::parse(line.as_bytes()), None, "{line}");
    }
    assert_eq!(FromChild::parse(b"{\"action\":\"status\",\"responseFor\":\"\xff\"}"), None);
}

proptest! {
    #[test]
    fn any_record_arrives_as_it_was(
        sequence_number in "[1-9][0-9]{0,128}",
        sub_sequence_number: u64,
        key in ".{0,40}",
        data: Vec<u8>,
        millis: i64,
        behind: u64,
    ) {
        let sent = record(&sequence_number, sub_sequence_number, &key, &data, millis);
        let line = text(process_records(&[sent.clone(), sent], behind));
        prop_assert!(line.is_ascii());
        prop_assert_eq!(line.matches('\n').count(), 1, "one line");
        let json: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(&json["millisBehindLatest"], behind);
        for index in 0..2 {
            let read = &json["records"][index];
            prop_assert_eq!(&read["sequenceNumber"], &sequence_number);
            prop_assert_eq!(&read["subSequenceNumber"], sub_sequence_number);
            prop_assert_eq!(&read["partitionKey"], &key);
            prop_assert_eq!(&read["approximateArrivalTimestamp"], millis);
            prop_assert_eq!(BASE64_STANDARD.decode(read["data"].as_str().unwrap()).unwrap(), &data[..]);
        }
    }

    #[test]
    fn no_line_of_noise_is_an_error(line: Vec<u8>, json in "[{}\\[\\]\":, a-z0-9]{0,60}") {
        prop_assert_eq!(FromChild::parse(&line), None);
        let _understood_or_not = FromChild::parse(json.as_bytes());
    }

    #[test]
    fn an_answer_echoes_any_request(sequence_number: Option<String>, sub_sequence_number: Option<i64>) {
        let request = CheckpointRequest { sequence_number, sub_sequence_number };
        let reply = checkpoint_reply(&request, None);
        prop_assert_eq!(FromChild::parse(&reply), Some(FromChild::Checkpoint(request)));
    }
}

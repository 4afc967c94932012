//! What the service says of records reads as the SDK would read it; what it does not say is not made up.

use aws_sdk_kinesis::types as sdk;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kcl_core::ErrorKind;
use kcl_core::aws::{AwsKinesis, kinesis_client};
use kcl_core::model::{Record, ShardId, ShardKey, StreamId};
use kcl_core::stream::{GetRecordsOutput, Kinesis, ShardIterator};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::backend::dummy_credentials;
use crate::canned::Canned;

fn client(url: &str) -> aws_sdk_kinesis::Client {
    kinesis_client(
        aws_sdk_kinesis::config::Builder::new()
            .region(aws_config::Region::new("eu-west-1"))
            .endpoint_url(url)
            .credentials_provider(dummy_credentials()),
    )
}

async fn read(url: &str) -> kcl_core::Result<GetRecordsOutput> {
    let shard = ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-000000000000"));
    let iterator = ShardIterator { shard, token: "here".to_owned() };
    AwsKinesis::new(client(url)).get_records(&iterator, 10).await
}

/// A record as the service writes it.
#[derive(Debug)]
struct Sent {
    number: u128,
    /// The service does not return one that it chose itself.
    key: Option<String>,
    data: Vec<u8>,
    arrival_ms: i64,
}

impl Sent {
    #[expect(clippy::cast_precision_loss, reason = "the service's own number is no more precise")]
    fn json(&self) -> Value {
        let arrival = match self.arrival_ms % 1_000 {
            0 => json!(self.arrival_ms / 1_000),
            _ => json!(self.arrival_ms as f64 / 1_000.0),
        };
        json!({
            "SequenceNumber": self.number.to_string(),
            "ApproximateArrivalTimestamp": arrival,
            "PartitionKey": self.key,
            "Data": BASE64_STANDARD.encode(&self.data),
            "EncryptionType": "NONE",
            "SomethingOfTheFuture": [{ "Data": 1 }],
        })
    }

    fn is(&self, record: &Record) -> bool {
        record.position.sequence_number.as_str() == self.number.to_string()
            && record.position.sub_sequence_number == 0
            && record.partition_key.as_str() == self.key.as_deref().unwrap_or_default()
            && record.data == self.data
            && record.approximate_arrival.as_millis() == self.arrival_ms
            && record.explicit_hash_key.is_none()
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(any::<u8>(), 8_000..9_000),
        Just(vec![0xff; 30])
    ];
    let key = prop::option::weighted(0.9, "\\PC{1,20}|[\"\\\\/\u{8}\u{1f}é🦀]{1,9}");
    let arrival = prop_oneof![
        -4_000_000_000_000..4_000_000_000_000_i64,
        (0..4_000_000_000_i64).prop_map(|secs| secs * 1_000)
    ];
    (any::<u128>(), key, data, arrival).prop_map(|(number, key, data, arrival_ms)| Sent {
        number,
        key,
        data,
        arrival_ms,
    })
}

fn leave_out_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(leave_out_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(leave_out_nulls),
        _ => {}
    }
}

fn child() -> Value {
    json!({
        "ShardId": "shardId-000000000001",
        "ParentShards": ["shardId-000000000000"],
        "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": u128::MAX.to_string() },
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// However it is spelled: with escapes that JSON allows, line breaks, and fields that are null.
    #[test]
    fn a_page_reads_as_it_was_sent_and_as_the_sdk_reads_it(
        sent in prop::collection::vec(sent(), 0..40),
        next in prop_oneof![Just(json!(null)), Just(json!("next \"token\""))],
        behind in prop_oneof![Just(json!(null)), (0..i64::MAX).prop_map(Value::from)],
        children in prop_oneof![Just(json!(null)), Just(json!([])), Just(json!([child(), child()]))],
        escapes_slashes: bool,
        is_pretty: bool,
        leaves_out_nulls: bool,
    ) {
        let mut page = json!({
            "Records": sent.iter().map(Sent::json).collect::<Vec<_>>(),
            "NextShardIterator": next,
            "MillisBehindLatest": behind,
            "ChildShards": children,
        });
        if leaves_out_nulls {
            leave_out_nulls(&mut page);
        }
        let mut body = if is_pretty { format!("{page:#}") } else { page.to_string() };
        if escapes_slashes {
            body = body.replace('/', "\\/");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ours, theirs) = runtime.block_on(async {
            let server = Canned::answering("200 OK", &body).await;
            let ours = read(&server.url).await.unwrap();
            (ours, client(&server.url).get_records().shard_iterator("here").send().await.unwrap())
        });
        prop_assert_eq!(ours.records.len(), sent.len());
        prop_assert!(sent.iter().zip(&ours.records).all(|(sent, read)| sent.is(read)));
        prop_assert_eq!(theirs.records().len(), sent.len());
        for (ours, theirs) in ours.records.iter().zip(theirs.records()) {
            prop_assert_eq!(ours.position.sequence_number.as_str(), theirs.sequence_number());
            prop_assert_eq!(ours.partition_key.as_str(), theirs.partition_key().unwrap_or_default());
            prop_assert_eq!(&ours.data[..], theirs.data().as_ref());
        }
        prop_assert_eq!(ours.next.as_ref().map(|next| next.token.as_str()), theirs.next_shard_iterator());
        let behind = theirs.millis_behind_latest().unwrap_or_default();
        prop_assert_eq!(i64::try_from(ours.millis_behind_latest).unwrap(), behind);
        let named: Vec<&str> = ours.children.iter().map(|child| child.shard_id.as_str()).collect();
        prop_assert_eq!(named, theirs.child_shards().iter().map(sdk::ChildShard::shard_id).collect::<Vec<_>>());
    }
}

/// What a proxy may say.
const NOTHING: &str = "{}";

/// Why there is a reader of our own: this is how the end of a shard looks.
#[tokio::test]
async fn the_sdk_reads_nothing_as_a_page_without_an_iterator() {
    let server = Canned::answering("200 OK", NOTHING).await;
    let theirs = client(&server.url).get_records().shard_iterator("here").send().await.unwrap();
    assert!(theirs.records().is_empty() && theirs.next_shard_iterator().is_none());
}

#[tokio::test]
async fn what_the_service_does_not_say_is_not_made_up() {
    let good = json!({
        "SequenceNumber": "4971", "ApproximateArrivalTimestamp": 1.7e9, "PartitionKey": "k", "Data": "aGk=",
    });
    let without = |field: &str| {
        let mut record = good.clone();
        record.as_object_mut().unwrap().remove(field);
        json!({ "Records": [good, record] }).to_string()
    };
    let with = |field: &str, value: Value| {
        let mut record = good.clone();
        record[field] = value;
        json!({ "Records": [good, record] }).to_string()
    };
    for (body, named) in [
        (NOTHING.to_owned(), "`Records`"),
        (json!([[], null, 0, null]).to_string(), "an array is no page"),
        (json!({ "Records": null }).to_string(), "records of a page"),
        (without("Data"), "`Data`"),
        (without("SequenceNumber"), "`SequenceNumber`"),
        (without("ApproximateArrivalTimestamp"), "`ApproximateArrivalTimestamp`"),
        (with("Data", json!("a-b_")), "record 4971: the data is not base64"),
        (with("SequenceNumber", json!("12x")), "'12x' is not a Kinesis sequence number"),
        (with("ApproximateArrivalTimestamp", json!(1e300)), "record 4971: the time 1e300"),
        (
            json!({ "Records": [], "ChildShards": [{ "ShardId": "shardId-000000000001" }] }).to_string(),
            "`ParentShards`",
        ),
        (json!({ "Records": [good] }).to_string().replace("]}", ""), "EOF"),
        (with("ApproximateArrivalTimestamp", json!("2026-01-01")), "invalid type"),
        ("<html>hello</html>".to_owned(), "expected value"),
    ] {
        let server = Canned::answering("200 OK", &body).await;
        let error = read(&server.url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{body}: {error}");
        for part in [named, "orders:shardId-000000000000", "AWS_ENDPOINT_URL"] {
            assert!(error.to_string().contains(part), "no '{part}' in: {error}");
        }
    }
}

#[tokio::test]
async fn a_page_that_breaks_off_is_passing_trouble() {
    let server = Canned::sending("200 OK", 500, r#"{"Records":["#).await;
    let error = read(&server.url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
}

//! The rows that workers leave behind, attribute by attribute, are those that the Java KCL would have left.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use kcl_core::model::ShardId;

use crate::fleet::Fleet;

type Item = BTreeMap<String, AttributeValue>;

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_split_look_like_those_of_the_java_kcl() {
    let mut fleet = Fleet::new(1).await;
    let parent = fleet.shard_ids().await.remove(0);
    fleet.start(fleet.settings("a"));
    fleet.put(20).await;
    fleet.until_shares(&[("a", 1)]).await;
    assert_eq!(item(&fleet, &parent).await.get("leaseOwner"), Some(&s("a")));

    let children = fleet.split(&parent).await;
    let newest = fleet.put(40).await;
    fleet.drain().await;
    fleet.stop("a").await;
    assert_eq!(fleet.assert_good(), 0);

    let mut row = item(&fleet, &parent).await;
    // Not every service names the children at the end of a shard; where it does, the row does.
    if let Some(named) = row.remove("childShardIds") {
        assert_eq!(named, set(&children));
    }
    assert_eq!(row, released(&fleet, &parent, "SHARD_END").await);
    for child in &children {
        let mut expected = released(&fleet, child, newest[child].as_str()).await;
        expected.insert("parentShardId".to_owned(), set(std::slice::from_ref(&parent)));
        assert_eq!(item(&fleet, child).await, expected);
    }
}

/// What a row without relatives holds once its owner has given it back. How often it was written is its own affair.
async fn released(fleet: &Fleet, shard_id: &ShardId, checkpoint: &str) -> Item {
    let shards = fleet.backend.shards(&fleet.stream).await;
    let shard = shards.iter().find(|shard| shard.shard_id == *shard_id).unwrap();
    let attributes = [
        ("leaseKey", s(shard_id.as_str())),
        ("checkpoint", s(checkpoint)),
        ("checkpointSubSequenceNumber", n("0")),
        ("ownerSwitchesSinceCheckpoint", n("0")),
        ("handOverOwner", s("a")),
        ("startingHashKey", s(&shard.hash_key_range.start.to_string())),
        ("endingHashKey", s(&shard.hash_key_range.end.to_string())),
    ];
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The row of a shard, its sets in order, without its counter, which must be there.
async fn item(fleet: &Fleet, shard_id: &ShardId) -> Item {
    let request = fleet.backend.dynamodb_client().get_item().table_name(fleet.stream.name());
    let output = request.key("leaseKey", s(shard_id.as_str())).consistent_read(true).send().await.unwrap();
    let mut item: Item = output.item.unwrap().into_iter().collect();
    let counter = item.remove("leaseCounter");
    assert!(matches!(counter, Some(AttributeValue::N(_))), "{counter:?}");
    for value in item.values_mut() {
        if let AttributeValue::Ss(members) = value {
            members.sort();
        }
    }
    item
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

fn set(shard_ids: &[ShardId]) -> AttributeValue {
    let mut members: Vec<String> = shard_ids.iter().map(ToString::to_string).collect();
    members.sort();
    AttributeValue::Ss(members)
}

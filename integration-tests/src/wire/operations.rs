//! What each operation asks of the in-memory Kinesis, and how its answer reads.

use kcl_core::memory::MemoryKinesis;
use kcl_core::stream::{
    ConsumerRef, GET_RECORDS_MAX, Kinesis, ShardIterator, ShardPageRequest, ShardPageToken, Subscription,
};
use serde_json::{Value, json};

use super::answer::{Refusal, consumer, records_page, shard, stream_summary};
use super::request::{Arguments, SEPARATOR, split_iterator, split_token};

type Outcome = Result<String, Refusal>;

pub(super) async fn carry_out(
    kinesis: &MemoryKinesis,
    operation: &str,
    arguments: &Arguments<'_>,
) -> Outcome {
    match operation {
        "CreateStream" => create_stream(kinesis, arguments),
        "PutRecord" => put_record(kinesis, arguments).map(|put| put.to_string()),
        "PutRecords" => put_records(kinesis, arguments),
        "SplitShard" => split_shard(kinesis, arguments),
        "MergeShards" => merge_shards(kinesis, arguments),
        "DescribeStreamSummary" => {
            let stream = kinesis.describe_stream(&arguments.stream()?).await?;
            Ok(stream_summary(&stream).to_string())
        }
        "ListShards" => list_shards(kinesis, arguments).await,
        "GetShardIterator" => get_shard_iterator(kinesis, arguments).await,
        "GetRecords" => get_records(kinesis, arguments).await,
        "RegisterStreamConsumer" => {
            let name = arguments.text("ConsumerName")?;
            let registered = kinesis.register_consumer(&arguments.parsed("StreamARN")?, name).await?;
            Ok(json!({ "Consumer": consumer(&registered) }).to_string())
        }
        "DescribeStreamConsumer" => describe_consumer(kinesis, arguments).await,
        "DeregisterStreamConsumer" => {
            let consumer = kinesis.describe_consumer(&consumer_ref(arguments)?).await?;
            kinesis.deregister_consumer(&consumer.arn).await?;
            Ok("{}".to_owned())
        }
        other => Err(Refusal::validation(format!("the operation '{other}' is not served"))),
    }
}

pub(super) async fn subscribe(
    kinesis: &dyn Kinesis,
    arguments: &Arguments<'_>,
) -> Result<Box<dyn Subscription>, Refusal> {
    let consumer = arguments.parsed("ConsumerARN")?;
    let stream = stream_of_consumer(arguments.text("ConsumerARN")?)?;
    let shard = kcl_core::model::ShardKey::new(stream, arguments.shard("ShardId")?);
    let position = Arguments(&arguments.0["StartingPosition"]).position("Type", "SequenceNumber")?;
    Ok(kinesis.subscribe_to_shard(&consumer, &shard, &position).await?)
}

/// `arn:aws:kinesis:REGION:ACCOUNT:stream/STREAM/consumer/NAME:EPOCH`
fn stream_of_consumer(arn: &str) -> Result<kcl_core::model::StreamId, Refusal> {
    let name = arn.split('/').nth(1).unwrap_or_default();
    Ok(kcl_core::model::StreamId::named(name)?)
}

fn create_stream(kinesis: &MemoryKinesis, arguments: &Arguments<'_>) -> Outcome {
    let shard_count = usize::try_from(arguments.count("ShardCount").unwrap_or(1)).unwrap_or(usize::MAX);
    kinesis.create_stream(&arguments.stream()?, shard_count)?;
    Ok("{}".to_owned())
}

fn put_record(kinesis: &MemoryKinesis, arguments: &Arguments<'_>) -> Result<Value, Refusal> {
    let stream = arguments.stream()?;
    put_one(kinesis, &stream, arguments)
}

fn put_one(
    kinesis: &MemoryKinesis,
    stream: &kcl_core::model::StreamId,
    entry: &Arguments<'_>,
) -> Result<Value, Refusal> {
    let key = entry.text("PartitionKey")?;
    let put = kinesis.put_record(stream, key, entry.explicit_hash_key()?, entry.data()?)?;
    Ok(json!({ "ShardId": put.shard_id.as_str(), "SequenceNumber": put.sequence_number.as_str() }))
}

/// Each record succeeds or fails alone.
fn put_records(kinesis: &MemoryKinesis, arguments: &Arguments<'_>) -> Outcome {
    let stream = arguments.stream()?;
    let entries = arguments.0["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut failed = 0;
    let mut results = Vec::with_capacity(entries.len());
    for entry in entries {
        match put_one(kinesis, &stream, &Arguments(entry)) {
            Ok(put) => results.push(put),
            Err(refusal) if refusal.code == "ProvisionedThroughputExceededException" => {
                failed += 1;
                results.push(json!({ "ErrorCode": refusal.code, "ErrorMessage": "Rate exceeded" }));
            }
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(json!({ "FailedRecordCount": failed, "Records": results }).to_string())
}

fn split_shard(kinesis: &MemoryKinesis, arguments: &Arguments<'_>) -> Outcome {
    let parent = arguments.shard("ShardToSplit")?;
    kinesis.split_shard(&arguments.stream()?, &parent, arguments.parsed("NewStartingHashKey")?)?;
    Ok("{}".to_owned())
}

fn merge_shards(kinesis: &MemoryKinesis, arguments: &Arguments<'_>) -> Outcome {
    let (one, other) = (arguments.shard("ShardToMerge")?, arguments.shard("AdjacentShardToMerge")?);
    kinesis.merge_shards(&arguments.stream()?, &one, &other)?;
    Ok("{}".to_owned())
}

async fn list_shards(kinesis: &MemoryKinesis, arguments: &Arguments<'_>) -> Outcome {
    let (stream, request) = match arguments.optional("NextToken") {
        None => (arguments.stream()?, ShardPageRequest::First(arguments.shard_filter()?)),
        Some(token) => {
            if arguments.optional("StreamName").is_some() {
                return Err(Refusal::invalid("NextToken and StreamName cannot be given together".to_owned()));
            }
            let (stream, inner) = split_token(token)?;
            (stream, ShardPageRequest::Next(ShardPageToken(inner.to_owned())))
        }
    };
    let page = kinesis.list_shards(&stream, &request).await?;
    let mut answer = json!({ "Shards": page.shards.iter().map(shard).collect::<Vec<_>>() });
    if let Some(ShardPageToken(token)) = page.next {
        answer["NextToken"] = format!("{stream}{SEPARATOR}{token}").into();
    }
    Ok(answer.to_string())
}

async fn get_shard_iterator(kinesis: &MemoryKinesis, arguments: &Arguments<'_>) -> Outcome {
    let shard = kcl_core::model::ShardKey::new(arguments.stream()?, arguments.shard("ShardId")?);
    let position = arguments.position("ShardIteratorType", "StartingSequenceNumber")?;
    let iterator = kinesis.get_shard_iterator(&shard, &position).await?;
    Ok(json!({ "ShardIterator": wire_iterator(&iterator) }).to_string())
}

async fn get_records(kinesis: &MemoryKinesis, arguments: &Arguments<'_>) -> Outcome {
    let (shard, token) = split_iterator(arguments.text("ShardIterator")?)?;
    let limit =
        arguments.count("Limit").map_or(GET_RECORDS_MAX, |limit| limit.try_into().unwrap_or(u32::MAX));
    let iterator = ShardIterator { shard, token: token.to_owned() };
    let page = kinesis.get_records(&iterator, limit).await?;
    let next = page.next.as_ref().map(|next| ("NextShardIterator", wire_iterator(next)));
    Ok(records_page(&page.records, page.millis_behind_latest, next, &page.children))
}

fn wire_iterator(iterator: &ShardIterator) -> String {
    let ShardIterator { shard, token } = iterator;
    format!("{}{SEPARATOR}{}{SEPARATOR}{token}", shard.stream, shard.shard_id)
}

async fn describe_consumer(kinesis: &MemoryKinesis, arguments: &Arguments<'_>) -> Outcome {
    let described = kinesis.describe_consumer(&consumer_ref(arguments)?).await?;
    let mut fields = consumer(&described);
    let stream = described.arn.as_str().split("/consumer/").next();
    fields.insert("StreamARN".to_owned(), stream.unwrap_or_default().into());
    Ok(json!({ "ConsumerDescription": fields }).to_string())
}

fn consumer_ref(arguments: &Arguments<'_>) -> Result<ConsumerRef, Refusal> {
    if arguments.optional("ConsumerARN").is_some() {
        return Ok(ConsumerRef::Arn(arguments.parsed("ConsumerARN")?));
    }
    let name = arguments.text("ConsumerName")?.to_owned();
    Ok(ConsumerRef::Name { stream: arguments.parsed("StreamARN")?, name })
}

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::primitives::Blob;
use kcl_core::aggregation::{Addition, Aggregator, NewUserRecord};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::select;
use tokio_util::sync::CancellationToken;

use super::print;
use super::target::{sdk_config, stream_of};
use crate::Failure;
use crate::cli::PutArgs;

/// A key of the service has at most so many characters (`PutRecord`, Kinesis API reference).
const PARTITION_KEY_CHARS_MAX: usize = 256;

/// The key of a line that has no word.
const NO_KEY: &str = "-";

/// Puts the lines of standard input, each after the one before it.
pub(super) async fn put(args: &PutArgs, stop: CancellationToken) -> Result<(), Failure> {
    let client = Client::new(&sdk_config(&args.stream).await?);
    let stream = stream_of(&args.stream)?.name().to_owned();
    let mut sender =
        Sender { client, stream, aggregator: Aggregator::default(), key: String::new(), records: 0 };
    let mut lines = BufReader::new(stdin()).lines();
    let mut count = 0_u64;
    loop {
        let line = select! {
            biased;
            () = stop.cancelled() => None,
            line = lines.next_line() => line.map_err(|error| {
                Failure::runtime(format!("cannot read line {} of the input: {error}", count + 1))
            })?,
        };
        let Some(line) = line else { break };
        count += 1;
        let key = args.partition_key.clone().unwrap_or_else(|| key_of(&line));
        let added = sender.add(key, &line).await;
        added.map_err(|failure| Failure::runtime(format!("line {count}: {failure}")))?;
        if !args.aggregate {
            sender.flush().await?;
        }
    }
    sender.flush().await?;
    print(&format!("{count} lines in {} records\n", sender.records))
}

/// The first word, or as much of it as a key may have.
fn key_of(line: &str) -> String {
    let word = line.split_whitespace().next().unwrap_or(NO_KEY);
    word.chars().take(PARTITION_KEY_CHARS_MAX).collect()
}

/// Gathers lines of one key, and puts them: a single one as it is.
struct Sender {
    client: Client,
    stream: String,
    aggregator: Aggregator,
    /// The key of what is gathered: an aggregate is in one shard.
    key: String,
    records: u64,
}

impl Sender {
    async fn add(&mut self, key: String, line: &str) -> Result<(), Failure> {
        if key != self.key {
            self.flush().await?;
            self.key = key;
        }
        loop {
            let record =
                NewUserRecord { partition_key: &self.key, data: line.as_bytes(), ..NewUserRecord::default() };
            match self.aggregator.add(&record).map_err(Failure::runtime)? {
                Addition::Added => return Ok(()),
                Addition::Full => self.flush().await?,
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let Some(put) = self.aggregator.take() else { return Ok(()) };
        let call = self.client.put_record().stream_name(&self.stream).data(Blob::new(put.data));
        // An aggregate names a hash key, for its own key is not that of its user records.
        let hash_key = put.explicit_hash_key.map(|key| key.to_string());
        let sent = call.partition_key(put.partition_key).set_explicit_hash_key(hash_key).send().await;
        sent.map_err(|error| Failure::runtime(DisplayErrorContext(error)))?;
        self.records += 1;
        Ok(())
    }
}

use std::cell::Cell;
use std::fmt;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::primitives::Blob;
use kcl_core::aggregation::{Addition, Aggregator, NewUserRecord};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::select;
use tokio_util::sync::CancellationToken;

use super::print;
use super::target::clients;
use crate::Failure;
use crate::cli::PutArgs;
use crate::config::Config;
use crate::progress::with_progress;

/// A key of the service has at most so many characters (`PutRecord`, Kinesis API reference).
const PARTITION_KEY_CHARS_MAX: usize = 256;

/// The key of a line that has no word.
const NO_KEY: &str = "-";

/// Puts the lines of standard input, each after the one before it.
pub(super) async fn put(args: &PutArgs, stop: CancellationToken) -> Result<(), Failure> {
    let config = args.stream.config()?;
    let client = Client::new(&clients(&config).await?.kinesis);
    let counts = Counts::default();
    let mut sender =
        Sender { client, config, aggregator: Aggregator::default(), key: String::new(), counts: &counts };
    let putting = Box::pin(put_lines(args, &mut sender, stop));
    with_progress(|| format!("records put: {counts}"), putting).await?;
    print(&format!("{counts}\n"))
}

async fn put_lines(args: &PutArgs, sender: &mut Sender<'_>, stop: CancellationToken) -> Result<(), Failure> {
    let mut lines = BufReader::new(stdin()).lines();
    for number in 1.. {
        let line = select! {
            biased;
            () = stop.cancelled() => None,
            line = lines.next_line() => line.map_err(|error| {
                Failure::runtime(format!("cannot read line {number} of the input: {error}"))
            })?,
        };
        let Some(line) = line else { break };
        sender.counts.lines.set(number);
        let key = args.partition_key.clone().unwrap_or_else(|| key_of(&line));
        let added = sender.add(key, &line).await;
        added.map_err(|failure| Failure::runtime(format!("line {number}: {failure}")))?;
        if !args.aggregate {
            sender.flush().await?;
        }
    }
    sender.flush().await
}

/// The first word, or as much of it as a key may have.
fn key_of(line: &str) -> String {
    let word = line.split_whitespace().next().unwrap_or(NO_KEY);
    word.chars().take(PARTITION_KEY_CHARS_MAX).collect()
}

/// Gathers lines of one key, and puts them: a single one as it is.
struct Sender<'a> {
    client: Client,
    config: Config,
    aggregator: Aggregator,
    /// The key of what is gathered: an aggregate is in one shard.
    key: String,
    counts: &'a Counts,
}

/// How far it is.
#[derive(Debug, Default)]
struct Counts {
    lines: Cell<u64>,
    records: Cell<u64>,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lines in {} records", self.lines.get(), self.records.get())
    }
}

impl Sender<'_> {
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
        let call = self.client.put_record().data(Blob::new(put.data));
        let call = match &self.config.stream_arn {
            Some(arn) => call.stream_arn(arn.as_str()),
            None => call.stream_name(self.config.stream.name()),
        };
        // An aggregate names a hash key, for its own key is not that of its user records.
        let hash_key = put.explicit_hash_key.map(|key| key.to_string());
        let sent = call.partition_key(put.partition_key).set_explicit_hash_key(hash_key).send().await;
        sent.map_err(|error| Failure::runtime(DisplayErrorContext(error)))?;
        self.counts.records.set(self.counts.records.get() + 1);
        Ok(())
    }
}

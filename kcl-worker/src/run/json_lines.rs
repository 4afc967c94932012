use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use base64_simd::STANDARD as BASE64;
use kcl_core::model::{Record, ShardKey, Timestamp};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::Failure;
use crate::progress::make_way;

/// Prints each record of its shard as a JSON line. A batch counts as processed once all of it is flushed.
#[derive(Debug)]
pub(crate) struct JsonLines {
    output: Arc<Output>,
}

impl JsonLines {
    pub(crate) fn factory(output: Arc<Output>) -> impl Fn(&ShardKey) -> Self + Send + Sync + 'static {
        move |_| Self { output: Arc::clone(&output) }
    }
}

#[async_trait]
impl RecordProcessor for JsonLines {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        let mut lines = Vec::new();
        for record in &batch.records {
            write_line(&mut lines, &batch.shard, record)?;
        }
        let output = Arc::clone(&self.output);
        // A reader that does not read blocks the write for as long as it likes; leases are renewed meanwhile.
        spawn_blocking(move || output.write(&lines)).await?
    }
}

/// Where the lines go. After the first failure nothing is written any more, and the worker is asked to stop: to try
/// again would not help, and could write half a line twice.
pub(crate) struct Output {
    writer: Mutex<Box<dyn Write + Send>>,
    failure: OnceLock<String>,
    stop: CancellationToken,
}

impl Output {
    pub(crate) fn new(writer: impl Write + Send + 'static, stop: CancellationToken) -> Self {
        Self { writer: Mutex::new(Box::new(writer)), failure: OnceLock::new(), stop }
    }

    /// What went wrong, if anything did.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.get().map(Failure::runtime)
    }

    /// Writes lines as one piece, and flushes them.
    fn write(&self, lines: &[u8]) -> Result<(), ProcessorError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone().into());
        }
        make_way();
        writer.write_all(lines).and_then(|()| writer.flush()).map_err(|error| {
            let failure = format!(
                "cannot write to standard output: {error}; the records that were not written are not committed, and \
                 come again"
            );
            self.stop.cancel();
            self.failure.get_or_init(|| failure).clone().into()
        })
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("failure", &self.failure).finish_non_exhaustive()
    }
}

/// One record as a JSON object, in this order of fields. The data is text where it is UTF-8, and base64 elsewhere.
fn write_line(line: &mut Vec<u8>, shard: &ShardKey, record: &Record) -> Result<(), ProcessorError> {
    line.extend_from_slice(b"{\"stream\":");
    write_text(line, &shard.stream.to_string())?;
    line.extend_from_slice(b",\"shardId\":");
    write_text(line, shard.shard_id.as_str())?;
    line.extend_from_slice(b",\"sequenceNumber\":");
    write_text(line, record.position.sequence_number.as_str())?;
    write!(line, ",\"subSequenceNumber\":{}", record.position.sub_sequence_number)?;
    line.extend_from_slice(b",\"partitionKey\":");
    write_text(line, &record.partition_key)?;
    line.extend_from_slice(b",\"approximateArrivalTimestamp\":");
    write_text(line, &rfc3339(record.approximate_arrival)?)?;
    if let Ok(text) = std::str::from_utf8(&record.data) {
        line.extend_from_slice(b",\"data\":");
        write_text(line, text)?;
    } else {
        line.extend_from_slice(b",\"dataBase64\":");
        write_text(line, &BASE64.encode_to_string(&record.data))?;
    }
    line.extend_from_slice(b"}\n");
    Ok(())
}

fn write_text(line: &mut Vec<u8>, text: &str) -> io::Result<()> {
    Ok(serde_json::to_writer(line, text)?)
}

/// In UTC, with milliseconds.
pub(crate) fn rfc3339(time: Timestamp) -> Result<String, jiff::Error> {
    Ok(format!("{:.3}", jiff::Timestamp::from_millisecond(time.as_millis())?))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kcl_core::model::{RecordPosition, ShardId, StreamId};

    use super::*;

    fn line(data: &'static [u8]) -> String {
        let shard = ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-0"));
        let record = Record {
            position: RecordPosition { sequence_number: "49".parse().unwrap(), sub_sequence_number: 3 },
            partition_key: "a \"b\"".into(),
            explicit_hash_key: None,
            approximate_arrival: Timestamp::from_millis(1_700_000_000_120),
            data: Bytes::from_static(data),
        };
        let mut line = Vec::new();
        write_line(&mut line, &shard, &record).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_record_is_one_line_of_json() {
        let expected = concat!(
            r#"{"stream":"orders","shardId":"shardId-0","sequenceNumber":"49","subSequenceNumber":3,"#,
            r#""partitionKey":"a \"b\"","approximateArrivalTimestamp":"2023-11-14T22:13:20.120Z","#,
            r#""data":"two\nlines é"}"#,
            "\n"
        );
        assert_eq!(line("two\nlines é".as_bytes()), expected);
        assert!(serde_json::from_str::<serde_json::Value>(expected).is_ok());
    }

    #[test]
    fn data_that_is_no_text_is_base64() {
        assert!(line(b"\xff\x00").ends_with(",\"dataBase64\":\"/wA=\"}\n"));
    }

    /// Takes some bytes, then fails.
    struct Closing {
        room: usize,
    }

    impl Write for Closing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let written = bytes.len().min(self.room);
            self.room -= written;
            match written {
                0 => Err(io::ErrorKind::BrokenPipe.into()),
                _ => Ok(written),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_output_stops_the_worker_and_takes_nothing_more() {
        let stop = CancellationToken::new();
        let output = Output::new(Closing { room: 5 }, stop.clone());
        assert!(output.write(b"abc\n").is_ok());
        assert!(!stop.is_cancelled());
        assert!(output.write(b"def\n").is_err());
        assert!(stop.is_cancelled());
        assert!(output.write(b"").is_err());
        let failure = output.failure().unwrap();
        assert_eq!(failure.status(), 1);
        assert!(failure.to_string().contains("standard output"), "{failure}");
    }
}

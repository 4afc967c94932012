use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;

use super::clients::sqs_client;
use super::endpoint::Endpoint;
use super::error::ErrorContext;
use crate::error::Result;
use crate::processor::{FailedBatch, OnFailureDestination, Sent, md5_uuid};

/// The most bytes of a message (`SendMessage`, SQS API reference), unless the queue's `MaximumMessageSize` is smaller.
pub const SQS_MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// The most characters of a `MessageGroupId` (`SendMessage`, SQS API reference).
const GROUP_ID_CHARS_MAX: usize = 128;

/// What the service says of a message that is larger than the queue's `MaximumMessageSize`. It has no code of its own.
const TOO_LARGE: &str = "Message must be shorter than";

/// Sends each failed batch to an SQS queue, as one message of JSON.
///
/// In a FIFO queue, whose URL ends in `.fifo`, the message group is the shard, so that its batches stay in order, and
/// the deduplication id is the [idempotency key](FailedBatch::idempotency_key): the queue drops a copy that comes within five
/// minutes. Other queues keep every copy.
#[derive(Debug, Clone)]
pub struct SqsDestination {
    client: Client,
    queue_url: String,
    message_bytes_max: usize,
    errors: ErrorContext,
}

impl SqsDestination {
    /// Sends to the queue at `queue_url`, which must be in the region of `client`. Uses the configuration of `client`, with
    /// retries off and with time-outs where it sets none: see [`sqs_client`].
    #[expect(clippy::needless_pass_by_value, reason = "a client with our settings takes its place")]
    pub fn new(client: Client, queue_url: impl Into<String>) -> Self {
        let endpoint = Endpoint::default();
        let region = client.config().region().map(ToString::to_string);
        Self {
            client: sqs_client(client.config().to_builder().interceptor(endpoint.clone())),
            queue_url: queue_url.into(),
            message_bytes_max: SQS_MESSAGE_BYTES_MAX,
            errors: ErrorContext { endpoint, region },
        }
    }

    /// The `MaximumMessageSize` of the queue, in bytes. Older queues may have 262,144. The default is
    /// [`SQS_MESSAGE_BYTES_MAX`]; a smaller limit of the queue is also found out by its refusals.
    pub fn with_message_bytes_max(mut self, bytes: usize) -> Self {
        self.message_bytes_max = bytes;
        self
    }

    #[expect(
        clippy::case_sensitive_file_extension_comparisons,
        reason = "no file, and the service tells case"
    )]
    fn is_fifo(&self) -> bool {
        self.queue_url.ends_with(".fifo")
    }
}

#[async_trait]
impl OnFailureDestination for SqsDestination {
    async fn send(&self, batch: &FailedBatch) -> Result<Sent> {
        let body = allowed(batch.to_json()?);
        if body.len() > self.message_bytes_max {
            return Ok(Sent::TooLarge { limit_bytes: self.message_bytes_max });
        }
        let mut request = self.client.send_message().queue_url(&self.queue_url).message_body(body);
        if self.is_fifo() {
            request = request
                .message_group_id(group_id(batch.shard.to_string()))
                .message_deduplication_id(batch.idempotency_key());
        }
        let Err(error) = request.send().await else { return Ok(Sent::Taken) };
        if let Some(limit_bytes) = error.message().and_then(stated_limit) {
            return Ok(Sent::TooLarge { limit_bytes });
        }
        let call =
            format!("SendMessage to queue '{}' of a failed batch of '{}'", self.queue_url, batch.shard);
        Err(self.errors.error(&call, &error))
    }
}

/// SQS stores U+FFFD for the two characters that XML does not allow and that JSON does not escape by itself.
fn allowed(json: String) -> String {
    if !json.contains(['\u{fffe}', '\u{ffff}']) {
        return json;
    }
    json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

fn group_id(shard: String) -> String {
    if shard.chars().count() <= GROUP_ID_CHARS_MAX { shard } else { md5_uuid(&shard) }
}

/// The limit in a refusal such as "Message must be shorter than 262144 bytes."
fn stated_limit(refusal: &str) -> Option<usize> {
    let (_, limit) = refusal.split_once(TOO_LARGE)?;
    limit.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_its_size_states_the_limit() {
        let refusal =
            "One or more parameters are invalid. Reason: Message must be shorter than 262144 bytes.";
        assert_eq!(stated_limit(refusal), Some(262_144));
        for other in ["", "The queue is gone.", "Message must be shorter than life."] {
            assert_eq!(stated_limit(other), None, "{other}");
        }
    }

    #[test]
    fn characters_that_the_service_would_replace_are_escaped() {
        let json = "\"a\u{fffe}b\u{ffff}é\u{1fffe}\"";
        assert_eq!(allowed(json.to_owned()), "\"a\\ufffeb\\uffffé\u{1fffe}\"");
        assert_eq!(
            serde_json::from_str::<String>(&allowed(json.to_owned())).unwrap(),
            serde_json::from_str::<String>(json).unwrap()
        );
    }

    #[test]
    fn a_group_is_named_by_its_shard_within_the_limit() {
        let of = |letters| format!("{}:shardId-000000000001", "s".repeat(letters));
        assert_eq!(group_id(of(107)), of(107));
        assert_eq!(of(107).len(), GROUP_ID_CHARS_MAX);
        assert_eq!(group_id(of(108)).len(), 36);
        assert_ne!(group_id(of(108)), group_id(of(109)));
    }
}

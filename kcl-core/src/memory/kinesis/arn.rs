use crate::error::Result;
use crate::model::{ConsumerArn, StreamArn, StreamId};

/// The region that streams in memory are in.
const REGION: &str = "us-east-1";

/// The account of a stream whose id names none.
const ACCOUNT: &str = "123456789012";

/// The full name of a stream, in the account of its id.
pub(super) fn stream_arn(stream: &StreamId) -> Result<StreamArn> {
    let id = stream.to_string();
    let account = id.split_once(':').map_or(ACCOUNT, |(account, _)| account);
    format!("arn:aws:kinesis:{REGION}:{account}:stream/{}", stream.name()).parse()
}

/// The full name of a consumer that was registered at this second.
pub(super) fn consumer_arn(stream: &StreamArn, name: &str, epoch_secs: i64) -> Result<ConsumerArn> {
    format!("{stream}/consumer/{name}:{epoch_secs}").parse()
}

/// The stream that a consumer reads.
pub(super) fn stream_of(consumer: &ConsumerArn) -> Result<StreamArn> {
    let text = consumer.as_str();
    text.split_once("/consumer/").map_or(text, |(stream, _)| stream).parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumers_arn_names_its_stream() {
        let stream = stream_arn(&"210987654321:orders:1700000000".parse().unwrap()).unwrap();
        assert_eq!(stream.as_str(), "arn:aws:kinesis:us-east-1:210987654321:stream/orders");
        let consumer = consumer_arn(&stream, "billing", 1_700_000_001).unwrap();
        assert_eq!(
            consumer.as_str(),
            "arn:aws:kinesis:us-east-1:210987654321:stream/orders/consumer/billing:1700000001"
        );
        assert_eq!(stream_of(&consumer).unwrap(), stream);
        let named = stream_arn(&StreamId::named("orders").unwrap()).unwrap();
        assert_eq!(named.as_str(), "arn:aws:kinesis:us-east-1:123456789012:stream/orders");
    }
}

use kcl_core::model::{StreamArn, StreamId, WorkerId};

use super::Group;
use crate::config::forms;
use crate::config::key::{Key, Kind, Preset};

pub(super) static GROUP: Group = Group { title: "Stream and application", keys: &KEYS };

static KEYS: [Key; 5] = [
    Key::new(
        "stream",
        Kind::Text {
            placeholder: "NAME-OR-ARN",
            form: "the name or the ARN of a stream",
            set: |config, text| {
                (config.stream, config.stream_arn) = stream(text)?;
                Ok(())
            },
        },
        Preset::Required,
        "The stream to consume. A stream of another account is given by its ARN.",
    ),
    Key::new(
        "application",
        Kind::Text {
            placeholder: "NAME",
            form: "3 to 255 letters, digits, '_', '.' or '-'",
            set: |config, text| {
                config.application = forms::table_name(text)?;
                Ok(())
            },
        },
        Preset::Required,
        "The application: workers of one application share the shards. Each application reads the whole stream. One \
         application serves one stream: its lease table, which is created on first use, holds the leases of that stream \
         and of no other.",
    ),
    Key::new(
        "table",
        Kind::Text {
            placeholder: "NAME",
            form: "3 to 255 letters, digits, '_', '.' or '-'",
            set: |config, text| {
                config.table = Some(forms::table_name(text)?);
                Ok(())
            },
        },
        Preset::Words("the application's name"),
        "The DynamoDB table of the leases, created if there is none.",
    ),
    Key::new(
        "initial_position",
        Kind::Text {
            placeholder: "POSITION",
            form: "trim-horizon (the oldest record kept), latest, or a time that has been, such as 2026-01-31T12:00:00Z",
            set: |config, text| {
                config.worker.initial_position = forms::initial_position(text)?;
                Ok(())
            },
        },
        Preset::Value("trim-horizon"),
        "Where to start in shards that this application has not read.",
    ),
    Key::new(
        "worker_id",
        Kind::Text {
            placeholder: "ID",
            form: "1 to 256 printable characters",
            set: |config, text| {
                let id = WorkerId::new(forms::worker_id(text)?);
                config.worker_id = Some(id.map_err(|error| error.to_string())?);
                Ok(())
            },
        },
        Preset::Words("the host's name and a random part"),
        "This process's name in the lease table, which no other may have. The host's name is that of the variable \
         `HOSTNAME`, or else of `/etc/hostname`, or else `worker`.",
    ),
];

/// A stream's name or ARN.
pub(super) fn stream(text: &str) -> Result<(StreamId, Option<StreamArn>), String> {
    let (name, arn) = if text.starts_with("arn:") {
        let arn: StreamArn = text.parse().map_err(|error: kcl_core::Error| error.to_string())?;
        (arn.stream_name().to_owned(), Some(arn))
    } else {
        (text.to_owned(), None)
    };
    let stream = StreamId::named(name).map_err(|error| error.to_string())?;
    Ok((stream, arn))
}

use super::Group;
use crate::config::config::LogFormat;
use crate::config::key::{Choice, Key, Kind, Preset};
use crate::operations::http_address;

pub(super) static GROUP: Group = Group { title: "Log and HTTP endpoint", keys: &KEYS };

static LOG_FORMATS: [Choice; 2] = [
    Choice { word: "text", doc: "lines for a person", set: |config| config.log_format = LogFormat::Text },
    Choice {
        word: "json",
        doc: "a JSON object per line, for a machine",
        set: |config| config.log_format = LogFormat::Json,
    },
];

static KEYS: [Key; 3] = [
    Key::new(
        "log_format",
        Kind::Choice(&LOG_FORMATS),
        Preset::Value("text"),
        "The form of the log on standard error. The variable `RUST_LOG` chooses what is logged.",
    ),
    Key::new(
        "http_address",
        Kind::Text {
            placeholder: "ADDRESS",
            form: "a port (on 127.0.0.1), or for example 0.0.0.0:8080 or [::]:8080",
            set: |config, text| {
                config.http_address = Some(http_address(text)?);
                Ok(())
            },
        },
        Preset::Words("nothing is served"),
        "Where `/livez`, `/readyz`, `/status` and `/metrics` are served over HTTP, to be read and not to be written. Others \
         than this host reach it only at an address that is not the loopback's.",
    ),
    Key::new(
        "metrics_shard_labels",
        Kind::Switch { set: |config, is_on| config.metrics_shard_labels = is_on },
        Preset::Value("true"),
        "Whether `/metrics` tells shards apart; false for a worker of thousands of shards, each of which has some ten series.",
    ),
];

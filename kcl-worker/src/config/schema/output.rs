use super::Group;
use crate::config::config::LogFormat;
use crate::config::key::{Choice, Key, Kind, Preset};

pub(super) static GROUP: Group = Group { title: "Log", keys: &KEYS };

static LOG_FORMATS: [Choice; 2] = [
    Choice { word: "text", doc: "lines for a person", set: |config| config.log_format = LogFormat::Text },
    Choice {
        word: "json",
        doc: "a JSON object per line, for a machine",
        set: |config| config.log_format = LogFormat::Json,
    },
];

static KEYS: [Key; 1] = [Key::new(
    "log_format",
    Kind::Choice(&LOG_FORMATS),
    Preset::Value("text"),
    "The form of the log on standard error. The variable `RUST_LOG` chooses what is logged.",
)];

use std::time::Duration;

use super::{Group, MILLIS_MAX};
use crate::config::config::ProcessorKind;
use crate::config::key::{Choice, Key, Kind, Preset};
use crate::config::mask::{MASK, printable};

/// What a program with a processor of its own does not have.
pub(super) static GROUP: Group = Group { title: "Processor", keys: &KEYS };

/// The longest message of a child is a checkpoint, of some 300 bytes.
const LINE_BYTES_MIN: u64 = 1_024;

/// A line is held in memory for each shard.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

static KINDS: [Choice; 2] = [
    Choice {
        word: "print",
        doc: "each record is a JSON line on standard output",
        set: |config| config.processor = ProcessorKind::Print,
    },
    Choice {
        word: "exec",
        doc: "a child process for each shard, which speaks the MultiLang protocol",
        set: |config| config.processor = ProcessorKind::Exec,
    },
];

static KEYS: [Key; 8] = [
    Key::new("processor", Kind::Choice(&KINDS), Preset::Value("print"), "What handles the records."),
    Key::new(
        "exec_command",
        Kind::Words {
            placeholder: "COMMAND",
            form: "a program and its arguments",
            set: |config, words| match words {
                [] => Err("use a program and its arguments".to_owned()),
                words => {
                    config.exec.command = words.to_vec();
                    Ok(())
                }
            },
        },
        Preset::Words("none"),
        "With `processor` exec: the program that is run for each shard, and its arguments. A text is split at spaces; a \
         list in the file keeps those within an argument.",
    ),
    Key::new(
        "exec_timeout_ms",
        Kind::Whole {
            range: 1..=MILLIS_MAX,
            set: |config, millis| config.exec.timeout = Some(Duration::from_millis(millis)),
        },
        Preset::Words("no limit"),
        "With `processor` exec: how long the program may take for an answer.",
    ),
    Key::new(
        "exec_environment",
        Kind::Words {
            placeholder: "NAMES",
            form: "names of environment variables",
            set: |config, words| {
                if words.iter().any(|word| word.is_empty() || word.contains(['=', '\0'])) {
                    return Err("use names of environment variables, without their values".to_owned());
                }
                config.exec.environment = words.to_vec();
                Ok(())
            },
        },
        Preset::Words("a few that hold no secrets, such as `PATH` and `HOME`"),
        "With `processor` exec: the variables that the program gets of the worker's environment, beside a few that hold no \
         secrets. A program that calls AWS needs the names of its credentials here.",
    )
    .showing(variable),
    Key::new(
        "exec_exit_grace_ms",
        Kind::Whole {
            range: 0..=MILLIS_MAX,
            set: |config, millis| config.exec.exit_grace = Duration::from_millis(millis),
        },
        Preset::Value("5000"),
        "With `processor` exec: how long the program may take to exit once its standard input is closed.",
    ),
    Key::new(
        "exec_line_bytes_max",
        Kind::Whole {
            range: LINE_BYTES_MIN..=LINE_BYTES_MAX,
            set: |config, bytes| config.exec.line_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX),
        },
        Preset::Value("65536"),
        "With `processor` exec: the longest line that is read from the program. What is longer is counted and skipped.",
    ),
    Key::new(
        "exec_redelivery_bytes_max",
        Kind::Whole {
            range: 0..=u64::MAX,
            set: |config, bytes| {
                config.exec.redelivery_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
            },
        },
        Preset::Value("67108864"),
        "With `processor` exec: how many bytes of records are kept for each shard to give them to a fresh child, of those \
         that a child has taken and not committed. A shard whose child fails with more is given up, and read again from its \
         checkpoint.",
    ),
    Key::new(
        "exec_swallowed_exceptions",
        Kind::Choice(&SWALLOWED_EXCEPTIONS),
        Preset::Value("count"),
        "With `processor` exec: what it means that the program's library reports an exception and goes on as if nothing had \
         happened, as those for Python and Ruby do.",
    ),
];

static SWALLOWED_EXCEPTIONS: [Choice; 2] = [
    Choice {
        word: "count",
        doc: "it is counted, and the records count as processed",
        set: |config| config.exec.swallowed_exceptions_fail = false,
    },
    Choice {
        word: "fail",
        doc: "the call has failed, and the failure policy decides",
        set: |config| config.exec.swallowed_exceptions_fail = true,
    },
];

/// Who gives a variable's value with its name is not shown it.
fn variable(word: &str) -> String {
    match word.split_once('=') {
        Some((name, _)) => format!("{}={MASK}", printable(name)),
        None => printable(word),
    }
}

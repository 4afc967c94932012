use crate::config::value::Value;

/// One property of the MultiLangDaemon.
#[derive(Debug)]
pub(in crate::config) struct Entry {
    /// In Java's spelling. One that ends in `.` stands for all that begin so.
    pub(in crate::config) name: &'static str,
    pub(in crate::config) fate: Fate,
    /// It makes the retrieval mode `DEFAULT` poll.
    pub(super) is_polling: bool,
    /// Its value is not repeated in messages.
    pub(super) may_hold_secrets: bool,
}

/// What becomes of it.
#[derive(Debug)]
pub(in crate::config) enum Fate {
    /// Its value is that of a setting.
    Sets(&'static str),
    /// So it is, unless it is 0, which Java takes as not given.
    SetsUnlessZero(&'static str),
    /// A setting's value is made of it; or none, if it says nothing.
    Converts { key: &'static str, convert: fn(&str) -> Result<Option<Value>, String>, doc: &'static str },
    /// Polling or fan-out.
    ChoosesRetrieval,
    /// Nothing if it is false; or else as [`IsRefused`](Self::IsRefused).
    MustBeFalse(&'static str),
    /// Nothing, for this reason.
    HasNoEffect(&'static str),
    /// The worker does not start, for this reason.
    IsRefused(&'static str),
}

/// What a property turns out to say.
pub(super) enum Given {
    Sets(&'static str, Value),
    NoEffect(&'static str),
    Nothing,
}

impl Entry {
    pub(super) const fn new(name: &'static str, fate: Fate) -> Self {
        Self { name, fate, is_polling: false, may_hold_secrets: false }
    }

    pub(super) const fn polling(mut self) -> Self {
        self.is_polling = true;
        self
    }

    pub(super) const fn with_secrets(mut self) -> Self {
        self.may_hold_secrets = true;
        self
    }

    /// True if this is the property that goes by `name`.
    pub(super) fn is_named(&self, name: &str) -> bool {
        match self.name.strip_suffix('.') {
            Some(_) => canonical(name).starts_with(self.name),
            None => is_same_name(self.name, name),
        }
    }
}

/// The case of a first letter does not matter to Java's beans, and no case does in the names of credentials providers
/// (`KinesisClientLibConfigurator.processKey`).
pub(super) fn is_same_name(a: &str, b: &str) -> bool {
    canonical(a) == canonical(b)
}

/// As commons-beanutils reads it.
pub(super) fn truth(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err("use true or false".to_owned()),
    }
}

fn canonical(name: &str) -> String {
    const CREDENTIALS: &str = "awscredentialsprovider";
    let lower = name.to_ascii_lowercase();
    if lower.starts_with(CREDENTIALS) {
        return lower;
    }
    let parts = name.split('.').map(|part| {
        let mut rest = part.chars();
        let first = rest.next().map(|c| c.to_ascii_lowercase());
        first.into_iter().chain(rest).collect::<String>()
    });
    parts.collect::<Vec<_>>().join(".")
}

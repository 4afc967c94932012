use std::fmt;

use kcl_core::model::ShardId;

/// A shard's id as a person says it: `shard 5` for `shardId-000000000005`, so that a line of the view fits a terminal.
pub(super) struct ShardName<'a>(pub(super) &'a ShardId);

impl fmt::Display for ShardName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0.as_str();
        match id.strip_prefix("shardId-").and_then(|number| number.parse::<u64>().ok()) {
            Some(number) => f.pad(&format!("shard {number}")),
            None => f.pad(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_called_by_its_number() {
        let name = |id: &str| ShardName(&ShardId::new(id)).to_string();
        assert_eq!(name("shardId-000000000000"), "shard 0");
        assert_eq!(name("shardId-000000000120"), "shard 120");
        assert_eq!(name("mine"), "mine");
    }
}

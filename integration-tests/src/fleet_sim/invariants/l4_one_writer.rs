//! L4: the writes of one owner to one row are made one after another, from its take on.

use std::collections::BTreeSet;

use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Fact, What};
use crate::fleet_sim::names::{ProcessNo, ShardNo};

#[derive(Debug, Default)]
pub(super) struct OneWriter {
    in_flight: BTreeSet<(ProcessNo, ShardNo)>,
}

impl Invariant for OneWriter {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        match fact.what {
            What::Sent { process, shard } if !self.in_flight.insert((process, shard)) => {
                return Err(Violation::new("L4", "an earlier write to the row is still on its way"));
            }
            What::Settled { process, shard } => {
                self.in_flight.remove(&(process, shard));
            }
            _ => {}
        }
        Ok(())
    }
}

//! U1: no record is skipped, and the records of a shard come in order.

use super::records::Records;
use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Fact, What};

#[derive(Debug, Default)]
pub(super) struct NothingSkipped {
    records: Records,
}

impl Invariant for NothingSkipped {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        if let What::Delivered { shard, record, .. } = fact.what {
            let delivered = self.records.of(shard).map_or(0, |records| records.delivered);
            let place = self.records.place(record);
            if place > delivered {
                let skipped = place - delivered;
                let problem = format!("{skipped} records of {shard} before it were not delivered");
                return Err(Violation::new("U1", problem));
            }
        }
        self.records.observe(fact);
        Ok(())
    }

    fn conclude(&self) -> Result<(), Violation> {
        match self.records.shards().find(|(_, records)| !records.are_delivered()) {
            Some((shard, _)) => {
                Err(Violation::new("U1", format!("the last records of {shard} were not delivered")))
            }
            None => Ok(()),
        }
    }
}

//! U1: no record is skipped, and the records of a shard come in order. At the end every record is settled, but for those
//! that wait behind one that no processor takes, where the failure policy is to wait.

use super::records::Records;
use super::{Invariant, Rules, Violation};
use crate::fleet_sim::accounts::Accounts;
use crate::fleet_sim::fact::Fact;

#[derive(Debug)]
pub(super) struct NothingSkipped {
    rules: Rules,
    records: Records,
    accounts: Accounts,
}

impl NothingSkipped {
    pub(super) fn new(rules: &Rules) -> Self {
        Self { rules: rules.clone(), records: Records::default(), accounts: Accounts::default() }
    }
}

impl Invariant for NothingSkipped {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        if let Some((_, shard, record)) = fact.what.settled() {
            let delivered = self.records.of(shard).map_or(0, |records| records.delivered());
            let place = self.records.place(record);
            // Lanes are in order by key, and go on where one is held up.
            if place > delivered && !self.rules.has_lanes(shard) {
                let skipped = place - delivered;
                let problem = format!("{skipped} records of {shard} before it were not delivered");
                return Err(Violation::new("U1", problem));
            }
        }
        self.records.observe(fact);
        self.accounts.observe(fact);
        Ok(())
    }

    fn conclude(&self) -> Result<(), Violation> {
        let held_up = self.accounts.held_up(|record| self.rules.is_in_the_way(record));
        match self.accounts.outstanding().find(|(shard, _)| !held_up.has(*shard)) {
            Some((shard, _)) => {
                Err(Violation::new("U1", format!("the last records of {shard} were not delivered")))
            }
            None => Ok(()),
        }
    }
}

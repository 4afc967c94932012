//! U7: a fleet that has healed moves nothing: every lease stays with its owner.

use kcl_core::lease::LeaseChange;

use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Action, Fact, What};

#[derive(Debug, Default)]
pub(super) struct HealedRests {
    has_healed: bool,
}

impl Invariant for HealedRests {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        match fact.what {
            What::Healed => self.has_healed = true,
            What::Wrote(write) if self.has_healed => {
                // Rows that are of no use any more still go.
                let stays = matches!(
                    write.action,
                    Action::Change(LeaseChange::Renew | LeaseChange::Checkpoint { .. }) | Action::Delete
                );
                if !stays {
                    return Err(Violation::new("U7", "a lease moved although the fleet was balanced"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

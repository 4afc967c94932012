//! What must be true of every run, one file each.
//!
//! `L1` to `L8` are the invariants of the lease protocol, numbered as in [`kcl_core::lease`]; `U1` to `U9` is what a user
//! is promised, `D1` to `D4` what holds of delivery: of
//! records on which the processor fails, of lanes, and of what is prepared. Each is a pure observer of facts: it knows nothing of the workers, and takes no other's word. None may
//! excuse what the documents do not.

mod d1_given_up_by_policy;
mod d2_standstill_reported;
mod d3_lanes_in_order;
mod d4_pending_state_kept;
mod l1_conditional_writes;
mod l2_expiry;
mod l3_deadline;
mod l4_one_writer;
mod l5_lost_answers;
mod l6_checkpoint_ascends;
mod l7_parents_first;
mod l8_goodbye_before_move;
mod records;
mod rules;
mod u1_nothing_skipped;
mod u2_keys_in_order;
mod u3_duplicates_excused;
mod u4_children_after_parents;
mod u5_commits_cover_work;
mod u6_nobody_gives_up;
mod u7_healed_rests;
mod u8_stops_leave_nothing;
mod u9_pins_honoured;
mod violation;

use std::fmt;

use super::fact::Fact;
pub use rules::Rules;
pub use violation::Violation;

/// Watches a run for one thing that must never happen.
pub trait Invariant: fmt::Debug + Send {
    /// Takes in a fact; fails if it breaks the invariant.
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation>;

    /// Fails if the run may not end like this.
    fn conclude(&self) -> Result<(), Violation> {
        Ok(())
    }
}

/// All of them, in their order.
pub fn all(rules: &Rules) -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(l1_conditional_writes::ConditionalWrites),
        Box::new(l2_expiry::Expiry::new(rules)),
        Box::new(l3_deadline::Deadline::new(rules)),
        Box::new(l4_one_writer::OneWriter::default()),
        Box::new(l5_lost_answers::LostAnswers::default()),
        Box::new(l6_checkpoint_ascends::CheckpointAscends::default()),
        Box::new(l7_parents_first::ParentsFirst::default()),
        Box::new(l8_goodbye_before_move::GoodbyeBeforeMove::new(rules)),
        Box::new(u1_nothing_skipped::NothingSkipped::new(rules)),
        Box::new(u2_keys_in_order::KeysInOrder::default()),
        Box::new(u3_duplicates_excused::DuplicatesExcused::new(rules)),
        Box::new(u4_children_after_parents::ChildrenAfterParents::default()),
        Box::new(u5_commits_cover_work::CommitsCoverWork::default()),
        Box::new(u6_nobody_gives_up::NobodyGivesUp),
        Box::new(u7_healed_rests::HealedRests::default()),
        Box::new(u8_stops_leave_nothing::StopsLeaveNothing::default()),
        Box::new(u9_pins_honoured::PinsHonoured::default()),
        Box::new(d1_given_up_by_policy::GivenUpByPolicy::new(rules)),
        Box::new(d2_standstill_reported::StandstillReported::new(rules)),
        Box::new(d3_lanes_in_order::LanesInOrder::new(rules)),
        Box::new(d4_pending_state_kept::PendingStateKept::default()),
    ]
}

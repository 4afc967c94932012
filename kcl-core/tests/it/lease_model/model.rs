use std::sync::Mutex;

use stateright::{Model, Property};

use super::actions::{self, Action};
use super::answers::begin;
use super::config::{Config, Planted};
use super::promises::broken;
use super::recovery::{self, Known};
use super::row::{Change, Row, Write};
use super::state::{LATE_WRITES_MAX, SHARDS_MAX, Shard, State, WORKERS_MAX};
use super::step;

/// One property for all promises: the checker looks each of them up in every state.
pub(super) const KEEPS_ITS_PROMISES: &str = "keeps its promises";

/// The protocol as a graph of states.
#[derive(Debug)]
pub(super) struct LeaseModel {
    pub(super) config: Config,
    /// States from which everything ends well.
    recovering: Mutex<Known>,
}

impl LeaseModel {
    pub(super) fn new(config: Config) -> Self {
        assert!(config.workers <= WORKERS_MAX && config.shards <= SHARDS_MAX);
        assert!(usize::from(config.faults.lost_answers) <= LATE_WRITES_MAX);
        Self { config, recovering: Mutex::default() }
    }

    /// True if every shard is processed to its end from here, if no further fault happens.
    pub(super) fn recovers(&self, state: &State) -> bool {
        let mut recovering = self.recovering.lock().unwrap();
        recovery::recovers(&self.config, state, &mut recovering)
    }
}

impl Model for LeaseModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state = State { faults: self.config.faults, ..State::default() };
        for (id, worker) in (0..).zip(&mut state.workers[..self.config.workers]) {
            worker.id = id;
        }
        // The first worker owns the first shard. (Which of equal workers it is makes no difference.)
        let take = Write { writer: 0, shard: 0, seen: Row::default(), change: Change::Take };
        let row = take.applied_to(take.seen, Planted::Nothing);
        state.shards[0] = Shard { row, before: row, ..Shard::default() };
        begin(&mut state.workers[0].views[0], row);
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(actions::actions(&self.config, state));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(step::after(&self.config, state, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(KEEPS_ITS_PROMISES, |model: &Self, state| broken(model, state).is_none())]
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.shards.iter().all(|shard| shard.row.counter <= self.config.counter_max)
    }
}

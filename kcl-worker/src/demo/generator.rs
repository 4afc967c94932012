use super::input::Line;

/// The users whose events these are: so many partition keys.
const USERS: u32 = 100;

/// Starts the choice of events: each demo sees the same ones.
const SEED: u64 = 7;

const ACTIONS: [&str; 5] = ["signed_in", "viewed_item", "added_to_cart", "paid", "signed_out"];

/// Makes up events of users.
#[derive(Debug)]
pub(super) struct Generator {
    rng: fastrand::Rng,
    made: u64,
    count: u64,
}

impl Generator {
    pub(super) fn new(count: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(SEED), made: 0, count }
    }

    /// How many are still to come.
    pub(super) fn left(&self) -> u64 {
        self.count - self.made
    }
}

impl Iterator for Generator {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.made == self.count {
            return None;
        }
        self.made += 1;
        let user = self.rng.u32(0..USERS);
        let action = ACTIONS[self.rng.usize(0..ACTIONS.len())];
        Some(Line::new(self.made, format!("user-{user:02} {action} {}", self.made).into()))
    }
}

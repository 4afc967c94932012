use std::time::Duration;

use crate::lease::assignment::{Due, Situation, Stance, due_leases};
use crate::lease::{Lease, LeaseBook};
use crate::model::{MonotonicTime, ShardKey, WorkerId};

/// How long a lease lives without renewal, here.
const FAILOVER_TIME: Duration = Duration::from_secs(10);

/// When leases that have expired were last seen to move.
const EXPIRED_AT: MonotonicTime = MonotonicTime::from_start(Duration::ZERO);

/// When all others were. Exactly a failover time ago: they are alive still, and their owners have been there for as long as
/// matters.
const SEEN_AT: MonotonicTime = MonotonicTime::from_start(Duration::from_secs(1));

const NOW: MonotonicTime = MonotonicTime::from_start(Duration::from_secs(11));

/// Nothing is older here, so no request and no free lease is.
const NEVER: Duration = Duration::MAX;

/// What a worker would do about the leases of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WantedLeases {
    /// It would take these: nobody has them, or their owners answer no requests.
    pub take: Vec<ShardKey>,
    /// It would ask the owners of these.
    pub ask: Vec<ShardKey>,
}

/// What the worker `me` would take and ask for if the lease table were `rows`: the decision that each worker makes after
/// each scan, without limits of its own and with nothing on its way.
///
/// `is_expired` says of which leases the owner has gone; all other owners have been there for long. `is_introduced` says
/// whether the others know of this worker; one of which they do not begins with a single lease.
pub fn wanted_leases(
    rows: &[Lease],
    is_expired: impl Fn(&Lease) -> bool,
    me: &WorkerId,
    is_introduced: bool,
) -> WantedLeases {
    let mut book = LeaseBook::new(FAILOVER_TIME);
    for row in rows {
        book.observe(row.clone(), if is_expired(row) { EXPIRED_AT } else { SEEN_AT });
    }
    let stance = |row: &Lease| match row {
        row if is_expired(row) => Stance::Open,
        row if row.awaits_taking_up_by(me) => Stance::LeftOver,
        row if row.is_owned_by(me) || row.requested_by() == Some(me) => Stance::Mine,
        _ => Stance::Open,
    };
    let Due { take, ask } = due_leases(&Situation {
        book: &book,
        me,
        stance: &stance,
        is_introduced,
        leases_max: usize::MAX,
        unclaimed_after: NEVER,
        request_lifetime: NEVER,
        now: NOW,
    });
    WantedLeases { take, ask }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::LeaseChange;
    use crate::model::{Checkpoint, ShardId, StreamId};

    #[test]
    fn free_and_expired_leases_are_taken_and_others_asked_for() {
        let (me, rival) = (WorkerId::new("me").unwrap(), WorkerId::new("rival").unwrap());
        let stream = StreamId::named("orders").unwrap();
        let row = |number: usize| {
            let shard = ShardKey::new(stream.clone(), ShardId::new(format!("shardId-{number}")));
            Lease::unowned(shard, Checkpoint::TrimHorizon, Vec::new())
        };
        let owned = |number, by: &WorkerId| row(number).after(&LeaseChange::Take { by: by.clone() });
        let rows = [owned(0, &rival), owned(1, &rival), owned(2, &rival), owned(3, &me)];

        let wanted = wanted_leases(&rows, |_| false, &me, true);
        assert_eq!((wanted.take.len(), wanted.ask.len()), (0, 1));
        let wanted = wanted_leases(&rows, |row| row.is_owned_by(&rival), &me, true);
        assert_eq!((wanted.take.len(), wanted.ask.len()), (3, 0));
        let third = WorkerId::new("third").unwrap();
        let rows = [owned(0, &rival), owned(1, &rival), owned(2, &third), owned(3, &me)];
        let wanted = wanted_leases(&rows, |row| row.is_owned_by(&rival), &me, true);
        assert_eq!(
            (wanted.take.len(), wanted.ask.len()),
            (1, 0),
            "the third has been there for long, and takes its half"
        );
        let wanted = wanted_leases(&[row(0), row(1)], |_| false, &me, false);
        assert_eq!((wanted.take.len(), wanted.ask.len()), (1, 0));
    }
}

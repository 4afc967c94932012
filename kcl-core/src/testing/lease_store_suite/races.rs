//! Of many writers at once, one wins.

use std::future::Future;

use tokio::task::JoinSet;

use super::{Store, check_stored, create, normal, take, unowned};
use crate::Result;
use crate::lease::{Conditional, Lease, LeaseStore};
use crate::model::WorkerId;
use crate::testing::conformance::{Case, CaseResult, cases, check_eq, fail};

const RIVALS: usize = 16;

pub(super) fn cases() -> Vec<Case<dyn LeaseStore>> {
    cases![of_many_creators_one_wins, of_many_takers_one_wins]
}

async fn of_many_creators_one_wins(store: Store) -> CaseResult {
    store.prepare().await?;
    let mut creations = Vec::new();
    for rival in 0..RIVALS {
        let store = Store::clone(&store);
        let lease = Lease { owner: Some(WorkerId::new(format!("rival-{rival}"))?), ..unowned(0)? };
        creations.push(async move { store.create(&lease).await });
    }
    let winner = only_winner(creations).await?;
    check_stored(&store, &winner).await
}

async fn of_many_takers_one_wins(store: Store) -> CaseResult {
    let seen = create(&store, &unowned(0)?).await?;
    let mut takes = Vec::new();
    for rival in 0..RIVALS {
        let (store, seen) = (Store::clone(&store), seen.clone());
        let change = take(&format!("rival-{rival}"))?;
        takes.push(async move { store.update(&seen, &change).await });
    }
    let winner = only_winner(takes).await?;
    check_eq("the counter", &winner.counter, &(seen.counter + 1))?;
    check_stored(&store, &winner).await
}

/// The row of the only write that was applied. All others must have lost to it.
async fn only_winner(
    writes: Vec<impl Future<Output = Result<Conditional>> + Send + 'static>,
) -> CaseResult<Lease> {
    let mut rivals: JoinSet<_> = writes.into_iter().collect();
    let (mut winners, mut stood_in_the_way) = (Vec::new(), Vec::new());
    while let Some(joined) = rivals.join_next().await {
        match joined {
            Ok(outcome) => match outcome? {
                Conditional::Applied(row) => winners.push(normal(row)),
                Conditional::Lost(row) => stood_in_the_way.push(row.map(normal)),
            },
            Err(error) => return fail(format!("a write did not finish: {error}")),
        }
    }
    let [winner] = &winners[..] else {
        return fail(format!("one write should win, but {} did: {winners:?}", winners.len()));
    };
    let expected = vec![Some(winner.clone()); RIVALS - 1];
    check_eq("the rows that stood in the way", &stood_in_the_way, &expected)?;
    Ok(winner.clone())
}

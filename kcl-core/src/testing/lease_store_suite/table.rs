//! Making the table, and listing it.

use tokio::task::JoinSet;

use super::{Store, check_stored, create, insert, normal, unowned};
use crate::ErrorKind;
use crate::lease::{Consistency, LeaseStore};
use crate::testing::conformance::{Case, CaseResult, cases, check, check_eq, check_error, fail};

/// More rows than the 100 of one `BatchGetItem`, in case a store lists by it.
const MANY_ROWS: u32 = 250;

const PREPARERS: usize = 8;

pub(super) fn cases() -> Vec<Case<dyn LeaseStore>> {
    cases![
        a_missing_table_is_not_found,
        a_new_table_is_empty,
        a_table_may_be_prepared_again,
        several_workers_may_prepare_at_once,
        list_shows_every_row,
        list_shows_whole_rows,
    ]
}

async fn a_missing_table_is_not_found(store: Store) -> CaseResult {
    check_error("list without a table", store.list(Consistency::Strong).await, ErrorKind::NotFound)
}

async fn a_new_table_is_empty(store: Store) -> CaseResult {
    store.prepare().await?;
    check_eq("the rows", &store.list(Consistency::Strong).await?, &Vec::new())
}

async fn a_table_may_be_prepared_again(store: Store) -> CaseResult {
    let row = create(&store, &unowned(0)?).await?;
    store.prepare().await?;
    check_stored(&store, &row).await
}

async fn several_workers_may_prepare_at_once(store: Store) -> CaseResult {
    let mut preparers = JoinSet::new();
    for _ in 0..PREPARERS {
        let store = Store::clone(&store);
        preparers.spawn(async move { store.prepare().await });
    }
    while let Some(joined) = preparers.join_next().await {
        match joined {
            Ok(prepared) => prepared?,
            Err(error) => return fail(format!("a preparer did not finish: {error}")),
        }
    }
    check_eq("the rows", &store.list(Consistency::Strong).await?, &Vec::new())
}

async fn list_shows_every_row(store: Store) -> CaseResult {
    store.prepare().await?;
    for number in 0..MANY_ROWS {
        insert(&store, &unowned(number)?).await?;
    }
    let mut listed: Vec<_> =
        store.list(Consistency::Strong).await?.into_iter().map(|row| row.shard).collect();
    listed.sort();
    for (number, listed) in (0..).zip(&listed) {
        check_eq("a listed row", listed, &unowned(number)?.shard)?;
    }
    check(listed.len() == MANY_ROWS as usize, || {
        format!("{MANY_ROWS} rows were created, but {} are listed", listed.len())
    })
}

async fn list_shows_whole_rows(store: Store) -> CaseResult {
    let row = create(&store, &super::rows::full_row()?).await?;
    let listed: Vec<_> = store.list(Consistency::Strong).await?.into_iter().map(normal).collect();
    check_eq("the rows", &listed, &vec![normal(row)])
}

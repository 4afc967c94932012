//! Whether the fleet of the Java KCL that uses a lease table is one that workers of ours may join.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join;

use super::lease_row::{LEASE_KEY, string};
use crate::error::{Error, ErrorKind, Result};

/// The row that says in which state a Java KCL 3 fleet is (`MigrationState.java`).
const STATE_ROW: &str = "Migration3.0";

/// Its attribute that holds the state.
const STATE: &str = "cv";

/// The states in which one worker, the leader, assigns the leases, and the others take none (`ClientVersion.java`).
const LED_STATES: [&str; 2] = ["CLIENT_VERSION_3X", "CLIENT_VERSION_3X_WITH_ROLLBACK"];

/// Fails with [`ErrorKind::Refused`] if a leader assigns the leases of this table: it would take from our workers and
/// give to them without counting on them, and they would take from its own.
///
/// The state is in the lease table since version 3.5, and in a table of its own before. One that cannot be read says
/// nothing: most fleets have none, and permission to read that other table is not asked for.
pub(super) async fn check(client: &Client, lease_table: &str) -> Result<()> {
    let former_table = format!("{lease_table}-CoordinatorState");
    let look = async |table: &str, key: &str| {
        let request = client.get_item().table_name(table).key(key, string(STATE_ROW)).consistent_read(true);
        let item = request.send().await.ok().and_then(|output| output.item).unwrap_or_default();
        match item.get(STATE) {
            Some(AttributeValue::S(state)) if LED_STATES.contains(&state.as_str()) => {
                Err(refused(lease_table, table, state))
            }
            _ => Ok(()),
        }
    };
    try_join(look(lease_table, LEASE_KEY), look(&former_table, "key")).await.map(|_| ())
}

fn refused(lease_table: &str, table: &str, state: &str) -> Error {
    let message = format!(
        "lease table '{lease_table}' belongs to a Java KCL 3 fleet in the state {state} (row '{STATE_ROW}' of table \
         '{table}'), whose leader assigns all leases; roll that fleet back to its state compatible with 2.x, or stop \
         it and delete that row"
    );
    Error::new(ErrorKind::Refused, message)
}

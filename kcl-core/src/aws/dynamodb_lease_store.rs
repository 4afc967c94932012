use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::clients::dynamodb_client;
use super::endpoint::Endpoint;
use super::error::ErrorContext;
use super::java_fleet;
use super::lease_row::{Item, LEASE_KEY, LeaseRows};
use super::lease_table::LeaseTable;
use super::lease_update::{
    Values, permitted, pin, pin_permitted, request, request_permitted, unchanged, update,
};
use crate::error::{Error, ErrorKind, Result};
use crate::lease::{Conditional, Consistency, Lease, LeaseChange, LeaseStore};
use crate::model::{ShardKey, StreamId, WorkerId};

/// The most pages that one scan follows. A page holds 1 MB (`Scan`, DynamoDB API reference), which is some 2,000
/// rows; a service that repeats its key must not hold us for ever.
const PAGES_MAX: usize = 1_000;

/// [`LeaseStore`] in a DynamoDB table, in the row format of the Java KCL for one stream.
///
/// The table is created on demand, billed per request. Its name is that of the application: workers that share it
/// share the work.
#[derive(Debug, Clone)]
pub struct DynamoDbLeaseStore {
    client: Client,
    errors: ErrorContext,
    rows: LeaseRows,
}

impl DynamoDbLeaseStore {
    /// Keeps the leases of `stream` in `table_name`. Uses the configuration of `client`, with retries off and with
    /// time-outs where it sets none: see [`dynamodb_client`].
    #[expect(clippy::needless_pass_by_value, reason = "a client with our settings takes its place")]
    pub fn new(client: Client, table_name: impl Into<String>, stream: StreamId) -> Self {
        let endpoint = Endpoint::default();
        let config = client.config().to_builder().interceptor(endpoint.clone());
        let region = client.config().region().map(ToString::to_string);
        Self {
            client: dynamodb_client(config),
            errors: ErrorContext { endpoint, region },
            rows: LeaseRows { table: table_name.into(), stream },
        }
    }

    /// A call on one row, as error messages name it.
    fn call(&self, operation: &str, shard: &ShardKey) -> String {
        format!("{operation} of row '{}' in lease table '{}'", shard.shard_id, self.rows.table)
    }

    /// One conditional write to a row. `expected` is the row as it will be, for a service that returns none.
    async fn write(
        &self,
        shard: &ShardKey,
        expression: String,
        condition: String,
        values: Values,
        expected: impl FnOnce() -> Lease + Send,
    ) -> Result<Conditional> {
        let request = self
            .client
            .update_item()
            .table_name(&self.rows.table)
            .key(LEASE_KEY, self.rows.key(shard)?)
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match request.send().await {
            Ok(output) => {
                let row = self.lease(shard, output.attributes())?;
                return Ok(Conditional::Applied(row.unwrap_or_else(expected)));
            }
            Err(error) => error,
        };
        if let Some(UpdateItemError::ConditionalCheckFailedException(lost)) = error.as_service_error() {
            return Ok(Conditional::Lost(self.lease(shard, lost.item())?));
        }
        Err(self.errors.error(&self.call("UpdateItem", shard), &error))
    }

    /// The lease of a row that was asked for by its key.
    fn lease(&self, shard: &ShardKey, item: Option<&Item>) -> Result<Option<Lease>> {
        let Some(item) = item else {
            return Ok(None);
        };
        match self.rows.decode(item)? {
            Some(lease) => Ok(Some(lease)),
            None => Err(Error::new(
                ErrorKind::Corrupt,
                format!("row '{}' in lease table '{}' is no lease", shard.shard_id, self.rows.table),
            )),
        }
    }
}

#[async_trait]
impl LeaseStore for DynamoDbLeaseStore {
    async fn prepare(&self) -> Result<()> {
        let table = LeaseTable { client: &self.client, errors: &self.errors, name: &self.rows.table };
        table.prepare().await?;
        java_fleet::check(&self.client, &self.rows.table).await
    }

    async fn list(&self, consistency: Consistency) -> Result<Vec<Lease>> {
        let call = format!("Scan of lease table '{}'", self.rows.table);
        let mut leases = Vec::new();
        let mut start = None;
        for _ in 0..PAGES_MAX {
            let request = self.client.scan().table_name(&self.rows.table);
            let page = request
                .consistent_read(consistency == Consistency::Strong)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| self.errors.error(&call, &error))?;
            for item in page.items() {
                leases.extend(self.rows.decode(item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(leases);
            }
        }
        Err(Error::new(ErrorKind::Corrupt, format!("{call} did not end after {PAGES_MAX} pages")))
    }

    async fn get(&self, shard: &ShardKey) -> Result<Option<Lease>> {
        let request = self
            .client
            .get_item()
            .table_name(&self.rows.table)
            .key(LEASE_KEY, self.rows.key(shard)?)
            .consistent_read(true);
        let output =
            request.send().await.map_err(|error| self.errors.error(&self.call("GetItem", shard), &error))?;
        self.lease(shard, output.item.as_ref())
    }

    async fn create(&self, lease: &Lease) -> Result<Conditional> {
        let request = self
            .client
            .put_item()
            .table_name(&self.rows.table)
            .set_item(Some(self.rows.encode(lease)?))
            .condition_expression("attribute_not_exists(leaseKey)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = request.send().await else {
            return Ok(Conditional::Applied(lease.clone()));
        };
        if let Some(PutItemError::ConditionalCheckFailedException(lost)) = error.as_service_error() {
            return Ok(Conditional::Lost(self.lease(&lease.shard, lost.item())?));
        }
        Err(self.errors.error(&self.call("PutItem", &lease.shard), &error))
    }

    async fn update(&self, seen: &Lease, change: &LeaseChange) -> Result<Conditional> {
        let mut values = Values::new();
        let expression = update(seen, change, &mut values);
        let condition = permitted(seen, change, &mut values);
        self.write(&seen.shard, expression, condition, values, || seen.after(change)).await
    }

    async fn request(&self, seen: &Lease, by: Option<&WorkerId>) -> Result<Conditional> {
        let mut values = Values::new();
        let expression = request(by, &mut values).to_owned();
        let condition = request_permitted(seen, &mut values);
        self.write(&seen.shard, expression, condition, values, || seen.with_request(by)).await
    }

    async fn pin(&self, seen: &Lease, to: Option<&WorkerId>) -> Result<Conditional> {
        let mut values = Values::new();
        let expression = pin(to, &mut values).to_owned();
        let condition = pin_permitted(seen, &mut values);
        self.write(&seen.shard, expression, condition, values, || seen.with_pin(to)).await
    }

    async fn delete(&self, seen: &Lease) -> Result<bool> {
        let mut values = Values::new();
        let condition = format!("attribute_not_exists(leaseKey) OR ({})", unchanged(seen, &mut values));
        let request = self
            .client
            .delete_item()
            .table_name(&self.rows.table)
            .key(LEASE_KEY, self.rows.key(&seen.shard)?)
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values));
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(self.errors.error(&self.call("DeleteItem", &seen.shard), &error)),
            },
        }
    }
}

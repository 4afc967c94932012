//! Making the lease table, and checking one that is there.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription,
    TableStatus,
};

use super::error::ErrorContext;
use super::lease_row::LEASE_KEY;
use crate::error::{Error, ErrorKind, Result};

/// How often a table that is being created is looked at. It takes DynamoDB some seconds, and an emulator none.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How long a table may take to be created or deleted. The Java KCL waits as long (`DynamoDBLeaseRefresher.java`).
const WAIT_MAX: Duration = Duration::from_mins(10);

/// A table by name, as yet unchecked.
pub(super) struct LeaseTable<'a> {
    pub(super) client: &'a Client,
    pub(super) errors: &'a ErrorContext,
    pub(super) name: &'a str,
}

impl LeaseTable<'_> {
    /// Returns once the table exists, has the shape of a lease table, and takes reads and writes.
    pub(super) async fn prepare(&self) -> Result<()> {
        let wait = tokio::time::timeout(WAIT_MAX, async {
            while !self.is_ready().await? {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            Ok(())
        });
        wait.await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Transient,
                format!(
                    "lease table '{}' was not ready after {} s; look at its state in DynamoDB",
                    self.name,
                    WAIT_MAX.as_secs()
                ),
            ))
        })
    }

    /// One look at the table. Also asks for it to be created if it does not exist; a look at a table that was asked
    /// for just now may still miss it, and then asking again does no harm.
    async fn is_ready(&self) -> Result<bool> {
        let Some(table) = self.describe().await? else {
            self.create().await?;
            return Ok(false);
        };
        match table.table_status() {
            Some(TableStatus::Deleting) => return Ok(false),
            Some(TableStatus::Creating | TableStatus::Active | TableStatus::Updating) | None => {}
            Some(status) => {
                return Err(self.refused(&format!("is {status}; make it usable, or choose another table")));
            }
        }
        self.check_shape(&table)?;
        Ok(table.table_status() != Some(&TableStatus::Creating))
    }

    async fn describe(&self) -> Result<Option<TableDescription>> {
        match self.client.describe_table().table_name(self.name).send().await {
            Ok(output) => Ok(output.table),
            Err(error) => {
                if error.as_service_error().is_some_and(DescribeTableError::is_resource_not_found_exception) {
                    return Ok(None);
                }
                Err(self.errors.error(&format!("DescribeTable of '{}'", self.name), &error))
            }
        }
    }

    /// On demand, so that nobody has to plan for its load. Another worker may be first.
    async fn create(&self) -> Result<()> {
        let key = KeySchemaElement::builder().attribute_name(LEASE_KEY).key_type(KeyType::Hash).build();
        let definition = AttributeDefinition::builder()
            .attribute_name(LEASE_KEY)
            .attribute_type(ScalarAttributeType::S)
            .build();
        let (Ok(key), Ok(definition)) = (key, definition) else {
            return Err(self.refused("cannot be described to the SDK; this is a fault of the adapter"));
        };
        let request = self
            .client
            .create_table()
            .table_name(self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key)
            .attribute_definitions(definition);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(self.errors.error(&format!("CreateTable of '{}'", self.name), &error)),
        }
    }

    fn check_shape(&self, table: &TableDescription) -> Result<()> {
        let found: Vec<String> = table
            .key_schema()
            .iter()
            .map(|key| {
                let definitions = table.attribute_definitions();
                let definition =
                    definitions.iter().find(|definition| definition.attribute_name == key.attribute_name);
                let of_type = definition.map_or("?", |definition| definition.attribute_type.as_str());
                format!("{} {} of type {of_type}", key.key_type, key.attribute_name)
            })
            .collect();
        let wanted = format!("HASH {LEASE_KEY} of type S");
        if found == [wanted.as_str()] {
            return Ok(());
        }
        Err(self.refused(&format!(
            "has the key [{}], but a lease table has [{wanted}]; something else uses it, so choose another name",
            found.join(", ")
        )))
    }

    fn refused(&self, problem: &str) -> Error {
        Error::new(ErrorKind::Refused, format!("lease table '{}' {problem}", self.name))
    }
}

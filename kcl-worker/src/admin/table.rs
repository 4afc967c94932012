use kcl_core::model::StreamId;
use serde_json::{Value, json};

use super::print;
use super::target::Target;
use crate::Failure;
use crate::cli::PolicyArgs;

/// What a worker asks of its lease table.
const TABLE_ACTIONS: [&str; 6] = [
    "dynamodb:DescribeTable",
    "dynamodb:Scan",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
];

/// What it asks of its stream.
const STREAM_ACTIONS: [&str; 4] =
    ["kinesis:DescribeStreamSummary", "kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords"];

/// What enhanced fan-out needs of the stream, and of its consumers.
const FAN_OUT_STREAM_ACTIONS: [&str; 2] =
    ["kinesis:RegisterStreamConsumer", "kinesis:DescribeStreamConsumer"];

const CONSUMER_ACTIONS: [&str; 2] = ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"];

/// Creates the table if there is none.
pub(super) async fn create(target: &Target) -> Result<(), Failure> {
    target.ports.leases.prepare().await.map_err(Failure::runtime)?;
    print(&format!("the lease table '{}' is there, and has the right shape\n", target.table))
}

/// Reads every row of the table, if there is one, and looks at its shape.
pub(super) async fn check(target: &Target) -> Result<(), Failure> {
    let rows = target.rows().await?;
    // There is one, so this creates none.
    target.ports.leases.prepare().await.map_err(Failure::runtime)?;
    print(&format!(
        "the lease table '{}' has the right shape, and all its {} rows can be read\n",
        target.table,
        rows.len()
    ))
}

/// Prints what a worker must be allowed to do.
pub(super) fn policy(args: &PolicyArgs) -> Result<(), Failure> {
    StreamId::named(&args.stream).map_err(Failure::usage)?;
    print(&format!("{:#}\n", policy_of(args)))
}

fn policy_of(args: &PolicyArgs) -> Value {
    let PolicyArgs { stream, table, account, region, .. } = args;
    let statement = |sid: &str, actions: Vec<&str>, resource: String| json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource });
    let create = (!args.existing_table).then_some("dynamodb:CreateTable");
    let fan_out = FAN_OUT_STREAM_ACTIONS.iter().filter(|_| args.fan_out);
    let stream_arn = format!("arn:aws:kinesis:{region}:{account}:stream/{stream}");
    let mut statements = vec![
        statement(
            "LeaseTable",
            TABLE_ACTIONS.into_iter().chain(create).collect(),
            format!("arn:aws:dynamodb:{region}:{account}:table/{table}"),
        ),
        statement("Stream", STREAM_ACTIONS.iter().chain(fan_out).copied().collect(), stream_arn.clone()),
    ];
    if args.fan_out {
        statements.push(statement(
            "Consumers",
            CONSUMER_ACTIONS.to_vec(),
            format!("{stream_arn}/consumer/*"),
        ));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(fan_out: bool, existing_table: bool) -> PolicyArgs {
        let [stream, table, account, region] =
            ["orders", "billing", "123456789012", "eu-west-1"].map(str::to_owned);
        PolicyArgs { stream, table, account, region, fan_out, existing_table }
    }

    #[test]
    fn a_policy_names_the_table_the_stream_and_its_consumers() {
        let policy = policy_of(&args(true, false));
        let resources: Vec<&Value> = (0..3).map(|index| &policy["Statement"][index]["Resource"]).collect();
        assert_eq!(
            resources,
            [
                "arn:aws:dynamodb:eu-west-1:123456789012:table/billing",
                "arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
                "arn:aws:kinesis:eu-west-1:123456789012:stream/orders/consumer/*",
            ]
        );
        assert!(policy.to_string().contains("dynamodb:CreateTable"));
    }

    #[test]
    fn a_policy_has_nothing_that_is_not_needed() {
        let policy = policy_of(&args(false, true)).to_string();
        assert!(!policy.contains("CreateTable") && !policy.contains("Consumer"), "{policy}");
    }
}

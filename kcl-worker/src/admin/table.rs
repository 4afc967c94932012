use serde_json::{Value, json};

use super::print;
use super::target::Target;
use crate::Failure;
use crate::cli::PolicyArgs;
use crate::config::Config;

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

/// What stands for every account, and for every region.
const ANY: &str = "*";

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
    print(&format!("{:#}\n", policy_of(args, &args.target.config()?)))
}

fn policy_of(args: &PolicyArgs, config: &Config) -> Value {
    let (stream, table) = (config.stream.name(), config.lease_table());
    // `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`
    let account_of_arn = config.stream_arn.as_ref().and_then(|arn| arn.as_str().split(':').nth(4));
    let account = args.account.as_deref().or(account_of_arn).unwrap_or(ANY);
    let region = config.region.as_deref().unwrap_or(ANY);
    let with_fan_out = args.fan_out || config.fan_out.is_some();
    let statement = |sid: &str, actions: Vec<&str>, resource: String| json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource });
    let create = (!args.existing_table).then_some("dynamodb:CreateTable");
    let fan_out = FAN_OUT_STREAM_ACTIONS.iter().filter(|_| with_fan_out);
    let stream_arn = format!("arn:aws:kinesis:{region}:{account}:stream/{stream}");
    let mut statements = vec![
        statement(
            "LeaseTable",
            TABLE_ACTIONS.into_iter().chain(create).collect(),
            format!("arn:aws:dynamodb:{region}:{account}:table/{table}"),
        ),
        statement("Stream", STREAM_ACTIONS.iter().chain(fan_out).copied().collect(), stream_arn.clone()),
    ];
    if with_fan_out {
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
    use crate::cli::{Cli, Command, TableCommand};

    /// That of a command line.
    fn policy(line: &str) -> Value {
        let words = ["kcl-worker", "table", "policy"].into_iter().chain(line.split_whitespace());
        let Command::Table(TableCommand::Policy(args)) = Cli::try_parse_from(words).unwrap().command else {
            panic!("{line}");
        };
        policy_of(&args, &args.target.config().unwrap())
    }

    #[test]
    fn a_policy_names_the_table_the_stream_and_its_consumers() {
        let account = "--account 123456789012 --region eu-west-1";
        let policy = policy(&format!("--stream orders --table billing --fan-out {account}"));
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
        let policy = policy("--stream orders --application billing --existing-table").to_string();
        assert!(policy.contains("arn:aws:dynamodb:*:*:table/billing"), "{policy}");
        assert!(!policy.contains("CreateTable") && !policy.contains("Consumer"), "{policy}");
    }

    #[test]
    fn a_stream_that_is_given_by_its_arn_says_whose_it_is() {
        let arn = "arn:aws:kinesis:eu-west-1:210987654321:stream/orders";
        let policy = policy(&format!("--stream {arn} --application billing"));
        assert_eq!(policy["Statement"][1]["Resource"], "arn:aws:kinesis:*:210987654321:stream/orders");
    }
}

use aws_config::SdkConfig;
use kcl_core::lease::{Consistency, Lease};
use kcl_core::model::{Shard, ShardId, ShardKey, StreamId};
use kcl_core::stream::list_all_shards;
use kcl_core::worker::Ports;
use kcl_core::{Error, ErrorKind, aws};

use crate::Failure;
use crate::cli::{StreamArgs, TargetArgs};
use crate::run;

/// The stream and the lease table that a command is about.
pub(super) struct Target {
    pub(super) stream: StreamId,
    pub(super) table: String,
    pub(super) ports: Ports,
}

impl Target {
    pub(super) async fn new(args: &TargetArgs) -> Result<Self, Failure> {
        let stream = stream_of(&args.stream)?;
        let table = args.table.as_ref().unwrap_or(&args.application).clone();
        let ports = aws::ports(&sdk_config(&args.stream).await?, &stream, &table);
        Ok(Self { stream, table, ports })
    }

    /// The shard of this name, which may not exist.
    pub(super) fn shard(&self, name: &str) -> ShardKey {
        ShardKey::new(self.stream.clone(), ShardId::new(name))
    }

    /// Every row, as new as can be, by the names of their shards.
    pub(super) async fn rows(&self) -> Result<Vec<Lease>, Failure> {
        let listed = self.ports.leases.list(Consistency::Strong).await;
        let mut rows = listed.map_err(|error| self.failure(&error))?;
        rows.sort_by(|a, b| a.shard.cmp(&b.shard));
        Ok(rows)
    }

    /// The row of a shard, if there is one.
    pub(super) async fn row(&self, shard: &ShardKey) -> Result<Option<Lease>, Failure> {
        self.ports.leases.get(shard).await.map_err(|error| self.failure(&error))
    }

    /// Every shard that the stream lists.
    pub(super) async fn shards(&self) -> Result<Vec<Shard>, Failure> {
        list_all_shards(&*self.ports.kinesis, &self.stream).await.map_err(Failure::runtime)
    }

    /// What an error of the table means to a person.
    pub(super) fn failure(&self, error: &Error) -> Failure {
        if error.kind() == ErrorKind::NotFound {
            let table = &self.table;
            return Failure::runtime(format!(
                "there is no lease table '{table}'; --application or --table names another, and `table create` makes one"
            ));
        }
        Failure::runtime(error)
    }
}

pub(super) fn stream_of(args: &StreamArgs) -> Result<StreamId, Failure> {
    StreamId::named(&args.stream).map_err(Failure::usage)
}

/// What the command line says, and the SDK's usual chain where it says nothing.
pub(super) async fn sdk_config(args: &StreamArgs) -> Result<SdkConfig, Failure> {
    run::check_environment()?;
    Ok(run::sdk_config(args.region.as_deref(), args.endpoint_url.as_deref()).await)
}

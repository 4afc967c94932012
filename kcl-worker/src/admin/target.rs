use kcl_core::lease::{Consistency, Lease};
use kcl_core::model::{Shard, ShardId, ShardKey, StreamId};
use kcl_core::stream::list_all_shards;
use kcl_core::worker::Ports;
use kcl_core::{Error, ErrorKind};
use tokio::select;
use tokio_util::sync::CancellationToken;

use crate::Failure;
use crate::cli::TargetArgs;
use crate::config::Config;
use crate::run::{Clients, check_environment};

/// The stream and the lease table that a command is about.
pub(super) struct Target {
    pub(super) stream: StreamId,
    pub(super) table: String,
    pub(super) ports: Ports,
    /// Cancelled when the operator wants no more of the command.
    pub(super) stop: CancellationToken,
}

impl Target {
    pub(super) async fn new(args: &TargetArgs, stop: CancellationToken) -> Result<Self, Failure> {
        let config = args.config()?;
        let ports = clients(&config).await?.ports(&config);
        Ok(Self { stream: config.stream.clone(), table: config.lease_table().to_owned(), ports, stop })
    }

    /// The outcome of work that may end anywhere: it holds nothing that is to be given back.
    pub(super) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        select! {
            biased;
            () = self.stop.cancelled() => Err(Failure::interrupted("stopped before it was done")),
            outcome = work => outcome,
        }
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

/// The services as the settings say, and as the SDK's usual chain does where they say nothing.
pub(super) async fn clients(config: &Config) -> Result<Clients, Failure> {
    check_environment()?;
    Ok(Clients::load(config).await)
}

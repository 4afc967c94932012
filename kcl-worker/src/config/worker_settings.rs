use std::{env, fs};

use kcl_core::model::WorkerId;
use kcl_core::stream::{FanOutSettings, Retrieval};
use kcl_core::worker::unique_worker_id;
use kcl_core::{Checkpointing, Result, WorkerSettings};

use super::Config;
use super::config::{CheckpointingChoice, ProcessorKind};

/// The first part of a worker id where nothing names the host.
const UNNAMED_HOST: &str = "worker";

impl Config {
    /// The library's settings. Each call without a [`worker_id`](Self::worker_id) draws another one.
    ///
    /// # Errors
    /// [`Refused`](kcl_core::ErrorKind::Refused) if the library does not take them.
    pub fn worker_settings(&self) -> Result<WorkerSettings> {
        let worker_id = match &self.worker_id {
            Some(id) => id.clone(),
            None => unique_worker_id(&host_name())?,
        };
        self.worker_settings_of(worker_id)
    }

    pub(super) fn worker_settings_of(&self, worker_id: WorkerId) -> Result<WorkerSettings> {
        let fresh = WorkerSettings::new(self.stream.clone(), worker_id);
        let settings = WorkerSettings {
            stream: fresh.stream,
            worker_id: fresh.worker_id,
            random_seed: fresh.random_seed,
            checkpointing: self.commits(),
            retrieval: self.retrieval(),
            ..self.worker.clone()
        };
        settings.validate()?;
        Ok(settings)
    }

    /// True if the processor commits.
    pub(super) fn commits_by_hand(&self) -> bool {
        match self.checkpointing {
            Some(choice) => choice == CheckpointingChoice::Manual,
            None => self.processor == ProcessorKind::Exec,
        }
    }

    fn commits(&self) -> Checkpointing {
        match self.checkpoint_interval {
            _ if self.commits_by_hand() => Checkpointing::Manual,
            Some(interval) => Checkpointing::Every(interval),
            None => Checkpointing::AfterEachBatch,
        }
    }

    fn retrieval(&self) -> Retrieval {
        let Some(consumer) = &self.fan_out else { return Retrieval::Polling };
        let mut fan_out = FanOutSettings::new(consumer.clone());
        fan_out.fall_back_to_polling_after = self.fall_back_to_polling_after;
        fan_out.silence_max = self.fan_out_silence_max;
        fan_out.deregister_at_stop = self.fan_out_deregister_at_stop;
        Retrieval::FanOut(fan_out)
    }
}

/// What the shell calls this host, or else what the system does: not every shell exports its `HOSTNAME`.
fn host_name() -> String {
    let names = [env::var("HOSTNAME").ok(), fs::read_to_string("/etc/hostname").ok()];
    let mut names = names.into_iter().flatten().map(|name| name.trim().to_owned());
    names.find(|name| !name.is_empty()).unwrap_or_else(|| UNNAMED_HOST.to_owned())
}

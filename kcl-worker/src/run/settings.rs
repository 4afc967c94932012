use std::time::Duration;
use std::{env, fs};

use kcl_core::aggregation::OutsideRange;
use kcl_core::model::{StreamId, WorkerId};
use kcl_core::stream::{FanOutSettings, Retrieval};
use kcl_core::worker::unique_worker_id;
use kcl_core::{Checkpointing, WorkerSettings};

use crate::Failure;
use crate::cli::{OutsideRangeArg, RunArgs};

/// The first part of a worker id where nothing names the host.
const UNNAMED_HOST: &str = "worker";

/// The library's defaults, overridden where the command line says so.
pub(super) fn worker_settings(args: &RunArgs) -> Result<WorkerSettings, Failure> {
    let stream = StreamId::named(&args.stream).map_err(Failure::usage)?;
    let worker_id = match &args.worker_id {
        Some(id) => WorkerId::new(id),
        None => unique_worker_id(&host_name()),
    };
    let mut settings = WorkerSettings::new(stream, worker_id.map_err(Failure::usage)?);
    settings.initial_position = args.initial_position;
    let idle_time = &mut settings.polling.idle_time_between_reads;
    override_ms(idle_time, args.idle_time_between_reads_ms);
    override_ms(&mut settings.failover_time, args.failover_time_ms);
    override_ms(&mut settings.lease_scan_interval, args.lease_scan_interval_ms);
    override_ms(&mut settings.hand_over_timeout, args.hand_over_timeout_ms);
    if let Some(units) = args.lease_read_units_per_second {
        settings.lease_read_units_per_second = units;
    }
    override_ms(&mut settings.shard_sync_interval, args.shard_sync_interval_ms);
    override_ms(&mut settings.shutdown_grace, args.shutdown_grace_ms);
    if let Some(applications) = args.polling_applications {
        settings.polling.applications = applications;
        // The service's limit may be above the default by now.
        let least = Duration::from_millis(200) * applications;
        if args.idle_time_between_reads_ms.is_none() {
            settings.polling.idle_time_between_reads = settings.polling.idle_time_between_reads.max(least);
        }
    }
    if let Some(consumer) = &args.fan_out {
        let mut fan_out = FanOutSettings::new(consumer.clone());
        fan_out.fall_back_to_polling_after = args.fall_back_to_polling_after_ms.map(Duration::from_millis);
        settings.retrieval = Retrieval::FanOut(fan_out);
    }
    settings.outside_range = match args.outside_range {
        OutsideRangeArg::Deliver => OutsideRange::Deliver,
        OutsideRangeArg::Filter => OutsideRange::Filter,
        OutsideRangeArg::FilterWhole => OutsideRange::FilterWhole,
    };
    if let Some(millis) = args.checkpoint_interval_ms {
        settings.checkpointing = Checkpointing::Every(Duration::from_millis(millis));
    }
    if let Some(bytes) = args.fetch_bytes_max {
        settings.fetch_bytes_max = bytes;
    }
    if let Some(max_leases) = args.max_leases {
        settings.max_leases_for_worker = max_leases;
    }
    settings.validate().map_err(Failure::usage)?;
    Ok(settings)
}

fn override_ms(setting: &mut Duration, millis: Option<u64>) {
    if let Some(millis) = millis {
        *setting = Duration::from_millis(millis);
    }
}

/// What the shell calls this host, or else what the system does: not every shell exports its `HOSTNAME`.
fn host_name() -> String {
    let names = [env::var("HOSTNAME").ok(), fs::read_to_string("/etc/hostname").ok()];
    let mut names = names.into_iter().flatten().map(|name| name.trim().to_owned());
    names.find(|name| !name.is_empty()).unwrap_or_else(|| UNNAMED_HOST.to_owned())
}

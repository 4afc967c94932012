use super::{Processor, ProcessorFactory, ShardStart};

/// Makes the processor of each shard from what is known when the worker takes it: beside its name how far it is processed,
/// and the [fencing token](ShardStart::fencing_token), which the closure of [`for_each_record`](super::for_each_record) does
/// not see otherwise.
///
/// ```
/// use kcl_core::model::Record;
/// use kcl_core::processor::{ShardStart, for_each_record, for_each_shard};
///
/// let processors = for_each_shard(|start: &ShardStart| {
///     let token = start.fencing_token;
///     for_each_record(move |record: Record| async move { Ok(store(&record, token).await?) }).concurrency(64)
/// });
/// # let _ = processors;
/// # async fn store(_: &Record, _: u64) -> Result<(), std::io::Error> { Ok(()) }
/// ```
pub fn for_each_shard<F, P>(make: F) -> impl ProcessorFactory + use<F, P>
where
    F: Fn(&ShardStart) -> P + Send + Sync + 'static,
    P: Into<Processor>,
{
    ForEachShard(make)
}

struct ForEachShard<F>(F);

impl<F, P> ProcessorFactory for ForEachShard<F>
where
    F: Fn(&ShardStart) -> P + Send + Sync + 'static,
    P: Into<Processor>,
{
    fn create(&self, start: &ShardStart) -> Processor {
        (self.0)(start).into()
    }
}

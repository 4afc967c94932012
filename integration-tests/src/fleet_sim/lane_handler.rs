use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;

use kcl_core::model::{Record, ShardKey};
use kcl_core::processor::{Processor, ProcessorError, RecordHandler, for_each_record};
use tokio::time::sleep;

use super::fact::What;
use super::link::Link;
use super::names::{RecordNo, ShardNo};
use super::recorder::number_of;

/// The simulated user's handler of records: takes its time, fails now and then, and tells the world what it does.
#[derive(Debug)]
struct LaneHandler {
    link: Arc<Link>,
    shard: ShardNo,
}

/// Lanes for one shard of the process at the end of `link`, with a window of so many records.
pub(super) fn lanes(link: Arc<Link>, shard: &ShardKey, concurrency: usize, window: usize) -> Processor {
    let shard = ShardNo::of(&shard.shard_id);
    link.tell(What::Began { process: link.process(), shard, start: None });
    let handler = Arc::new(LaneHandler { link, shard });
    let handle = move |record: Record| {
        let handler = Arc::clone(&handler);
        async move { handler.handle(number_of(&record)).await }
    };
    let lanes: RecordHandler<_> = for_each_record(handle).concurrency(concurrency).window(window, usize::MAX);
    lanes.into()
}

impl LaneHandler {
    async fn handle(&self, record: RecordNo) -> Result<(), ProcessorError> {
        let (process, shard) = (self.link.process(), self.shard);
        self.link.tell(What::Called { process, shard, record });
        if self.link.processor_hangs() {
            pending::<()>().await;
        }
        let time = self.link.processing_time();
        if self.link.processor_fails() || self.link.is_poison(record) {
            // Not always at once, so that others overtake it.
            sleep(time).await;
            self.link.tell(What::Failed { process, shard, records: &[record] });
            if self.link.processor_panics() {
                // A panic that nobody prints.
                resume_unwind(Box::new("the handler was made to panic"));
            }
            return Err("the handler was made to fail".into());
        }
        sleep(time).await;
        self.link.tell(What::Delivered { process, shard, record });
        Ok(())
    }
}

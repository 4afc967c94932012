//! What becomes of a shard as a whole: taken again, and ended.

use std::future::pending;

use async_trait::async_trait;
use kcl_core::processor::{
    Checkpointer, ProcessorError, RecordBatch, RecordProcessor, ShardStart, for_each_shard,
};

use super::*;

/// Notes the tokens that it is made and begun with; the first of its kind hangs, and the second fails.
struct Bad {
    tokens: Arc<Mutex<Vec<u64>>>,
    is_first: bool,
}

#[async_trait]
impl RecordProcessor for Bad {
    async fn initialize(&mut self, start: &ShardStart) -> Result<(), ProcessorError> {
        self.tokens.lock().unwrap().push(start.fencing_token);
        Ok(())
    }

    async fn process_records(&mut self, _: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        if self.is_first { pending().await } else { Err("still bad".into()) }
    }
}

/// A lease that was renewed and taken again has a higher counter, which would fence off the live owner of the shard.
#[tokio::test(start_paused = true)]
async fn a_shard_that_is_taken_again_has_the_token_of_its_letters_and_so_have_its_rejects() {
    let place = Place::new("token");
    let letters = read(&place.file("f", &[batch("a", vec![record(5, 0)])])).await;
    let rejects = Arc::new(Rejects::create(&place.path("rejects")).unwrap());
    let mut settings = settings(WhenExhausted::SendToDestination);
    settings.call_deadlines.process_records = Some(Duration::from_secs(60));
    let tokens: Arc<Mutex<Vec<u64>>> = Arc::default();
    let note = Arc::clone(&tokens);
    let processors = for_each_shard(move |start: &ShardStart| {
        let mut tokens = note.lock().unwrap();
        let is_first = tokens.is_empty();
        tokens.push(start.fencing_token);
        Bad { tokens: Arc::clone(&note), is_first }
    });
    let session = session(letters, settings, Some(ToRejects(Arc::clone(&rejects))));
    let outcome = ended(session.run(processors, CancellationToken::new())).await;
    assert_eq!((outcome.given_up, outcome.left.len()), (1, 0), "{outcome:?}");
    assert_eq!(*tokens.lock().unwrap(), [41; 4]);
    let left = read(&place.path("rejects")).await;
    assert_eq!(left.shards[&ShardId::new("a")].fencing_token, 41);
}

/// Takes every record, and fails when it should write down what it has gathered.
struct NeverClosed;

#[async_trait]
impl RecordProcessor for NeverClosed {
    async fn process_records(&mut self, _: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(())
    }

    async fn shard_ended(&mut self) -> Result<(), ProcessorError> {
        Err("cannot close".into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_cannot_end_is_no_success() {
    let place = Place::new("never-closed");
    let file = place.file("f", &[batch("a", vec![record(5, 0)])]);
    let outcome = redrive(&file, |_: &ShardKey| NeverClosed).await;
    assert!(outcome.trouble.as_ref().unwrap().contains("cannot close"), "{outcome:?}");
    assert!(outcome.left.is_empty() && !outcome.is_complete(), "{outcome:?}");
}

//! How long a record takes by fan-out at 1,000 records a second, each in a frame of its own: from its put to a bare loop over the
//! SDK's subscription; from its put to the call of the processor; and of that, from the moment when the adapter has
//! the event, which is what the framework adds to the SDK.
//!
//! Service and reader are threads of one process, so that one clock times both ends.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run ends as a test does")]
#![expect(clippy::disallowed_methods, reason = "what is measured is real time, across threads")]

use std::collections::VecDeque;
use std::future::pending;
use std::iter::repeat_n;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_config::Region;
use aws_sdk_kinesis::config::{Builder, Credentials, SharedHttpClient};
use aws_sdk_kinesis::types::{ShardIteratorType, StartingPosition, SubscribeToShardEventStream};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use bytes::Bytes;
use integration_tests::wire::{Transport, WireFront};
use kcl_core::WorkerSettings;
use kcl_core::aws::{AwsKinesis, kinesis_client};
use kcl_core::memory::{
    MemoryFanOutSettings, MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings, MemoryLeaseStore,
};
use kcl_core::model::{ConsumerArn, ShardKey, StreamArn, StreamId, Timestamp, WorkerId};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, RecordProcessor};
use kcl_core::stream::{
    ConsumerDescription, ConsumerRef, FanOutConsumer, FanOutSettings, GetRecordsOutput, IteratorPosition,
    Kinesis, Retrieval, ShardIterator, ShardPage, ShardPageRequest, StreamDescription, Subscription,
    SubscriptionEvent,
};
use kcl_core::worker::{Ports, Worker};
use tokio::runtime;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Twenty seconds of them.
const RECORDS: usize = 20_000;

/// As many go before, while connections open.
const WARM_UP: usize = 2_000;

const INTERVAL: Duration = Duration::from_millis(1);

const RECORD_BYTES: usize = 100;

const ROUNDS: usize = 3;

const NANOS_PER_MICRO: u128 = 1_000;

fn main() {
    println!("microseconds | over  | {:>9} | {:>9} | {:>9}", "p50", "p99", "max");
    for _ in 0..ROUNDS {
        for transport in [Transport::Plain, Transport::Tls] {
            print_row("SDK", transport, measure(transport, |scene| block_on(sdk(scene))));
            let delays = measure(transport, |scene| block_on(worker(scene)));
            let (whole, ours) = delays.into_iter().unzip();
            print_row("handler", transport, whole);
            print_row("of that ours", transport, ours);
        }
    }
}

fn print_row(to: &str, transport: Transport, mut delays: Vec<u128>) {
    delays.drain(..WARM_UP);
    delays.sort_unstable();
    let [p50, p99, max] = [delays.len() / 2, delays.len() / 100 * 99, delays.len() - 1].map(|at| delays[at]);
    let over = format!("{transport:?}");
    println!("{to:12} | {over:5} | {p50:9} | {p99:9} | {max:9}");
}

/// What a reader needs to know.
struct Scene {
    url: String,
    pem: Option<String>,
    consumer: ConsumerArn,
    epoch: Instant,
}

impl Scene {
    fn client(&self) -> aws_sdk_kinesis::Client {
        let config = Builder::new()
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.url)
            .credentials_provider(Credentials::new("test", "test", None, None, "bench"));
        kinesis_client(config.http_client(trusting(self.pem.as_deref())))
    }

    /// How many microseconds ago a record was put that has this data.
    fn delay(&self, data: &[u8]) -> u128 {
        let put_at = u128::from_be_bytes(data[..16].try_into().unwrap());
        (self.epoch.elapsed().as_nanos() - put_at) / NANOS_PER_MICRO
    }
}

fn trusting(pem: Option<&str>) -> SharedHttpClient {
    let trusted = pem.map_or_else(TrustStore::empty, |pem| TrustStore::empty().with_pem_certificate(pem));
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(TlsContext::builder().with_trust_store(trusted).build().unwrap())
        .build_https()
}

fn stream() -> StreamId {
    StreamId::named("orders").unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The delays that a reader sees, in the order of the records.
fn measure<D>(transport: Transport, read: fn(Scene) -> Vec<D>) -> Vec<D> {
    let (begun, scene) = mpsc::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let service = thread::spawn(move || {
        block_on(async {
            let (front, epoch) = serve(transport, &begun).await;
            produce(&front, epoch).await;
            let _dropped = ended.await;
        });
    });
    let delays = read(scene.recv().unwrap());
    drop(end);
    service.join().unwrap();
    delays
}

async fn serve(transport: Transport, begun: &Sender<Scene>) -> (WireFront, Instant) {
    let fan_out = MemoryFanOutSettings {
        consumer_transition: Duration::ZERO,
        push_delay: Duration::ZERO,
        ..MemoryFanOutSettings::default()
    };
    let settings =
        MemoryKinesisSettings { limits: MemoryKinesisLimits::none(), fan_out, ..Default::default() };
    let kinesis = Arc::new(MemoryKinesis::new(settings));
    kinesis.create_stream(&stream(), 1).unwrap();
    let arn = kinesis.describe_stream(&stream()).await.unwrap().arn;
    let consumer = kinesis.register_consumer(&arn, "bench").await.unwrap().arn;
    let front = WireFront::start(kinesis, transport).await.unwrap();
    let (url, pem) = (front.url().to_owned(), front.certificate_pem().map(str::to_owned));
    let epoch = Instant::now();
    begun.send(Scene { url, pem, consumer, epoch }).unwrap();
    (front, epoch)
}

/// Puts one record after the other once somebody has subscribed. Each begins with its time.
async fn produce(front: &WireFront, epoch: Instant) {
    while front.counts().open_streams == 0 {
        sleep(INTERVAL).await;
    }
    let mut tick = interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..WARM_UP + RECORDS {
        tick.tick().await;
        let mut data = epoch.elapsed().as_nanos().to_be_bytes().to_vec();
        data.resize(RECORD_BYTES, b'.');
        front.kinesis().put_record(&stream(), "key", None, Bytes::from(data)).unwrap();
    }
}

/// By a bare subscription of the SDK.
async fn sdk(scene: Scene) -> Vec<u128> {
    let start = StartingPosition::builder().r#type(ShardIteratorType::TrimHorizon).build().unwrap();
    let call = scene.client().subscribe_to_shard().consumer_arn(scene.consumer.as_str());
    let mut output = call.shard_id("shardId-000000000000").starting_position(start).send().await.unwrap();
    let mut delays = Vec::with_capacity(WARM_UP + RECORDS);
    while delays.len() < WARM_UP + RECORDS {
        let event = output.event_stream.recv().await.unwrap().unwrap();
        if let SubscribeToShardEventStream::SubscribeToShardEvent(event) = event {
            delays.extend(event.records.iter().map(|record| scene.delay(record.data.as_ref())));
        }
    }
    delays
}

/// By a worker with the default settings: the whole delay, and the framework's part of it.
async fn worker(scene: Scene) -> Vec<(u128, u128)> {
    let pem = scene.pem.clone();
    let adapter =
        AwsKinesis::new(scene.client()).with_subscription_http_clients(move || trusting(pem.as_deref()));
    let arrivals = Arrivals::default();
    let kinesis = Stamping { adapter, arrivals: Arc::clone(&arrivals) };
    let ports = Ports { kinesis: Arc::new(kinesis), leases: Arc::new(MemoryLeaseStore::default()) };
    let fan_out = FanOutSettings::new(FanOutConsumer::Arn(scene.consumer.clone()));
    let settings = WorkerSettings {
        retrieval: Retrieval::FanOut(fan_out),
        ..WorkerSettings::new(stream(), WorkerId::new("a").unwrap())
    };
    let scene = Arc::new(scene);
    let (sender, mut delays) = tokio::sync::mpsc::channel(WARM_UP + RECORDS);
    let stopwatch = move |_: &ShardKey| Stopwatch {
        scene: Arc::clone(&scene),
        arrivals: Arc::clone(&arrivals),
        delays: sender.clone(),
    };
    let worker = tokio::spawn(Worker::new(settings, ports, stopwatch).run(pending()));
    let mut seen = Vec::with_capacity(WARM_UP + RECORDS);
    while seen.len() < WARM_UP + RECORDS {
        seen.push(delays.recv().await.unwrap());
    }
    worker.abort();
    seen
}

/// When the adapter had each record that the processor has not had, in their order.
type Arrivals = Arc<Mutex<VecDeque<Instant>>>;

struct Stopwatch {
    scene: Arc<Scene>,
    arrivals: Arrivals,
    delays: tokio::sync::mpsc::Sender<(u128, u128)>,
}

#[async_trait]
impl RecordProcessor for Stopwatch {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        for record in &batch.records {
            let arrived = self.arrivals.lock().unwrap().pop_front().unwrap();
            self.delays.send((self.scene.delay(&record.data), arrived.elapsed().as_micros())).await?;
        }
        Ok(())
    }
}

/// The adapter, whose events are noted as they come.
#[derive(Debug)]
struct Stamping {
    adapter: AwsKinesis,
    arrivals: Arrivals,
}

#[derive(Debug)]
struct StampingSubscription {
    events: Box<dyn Subscription>,
    arrivals: Arrivals,
}

#[async_trait]
impl Subscription for StampingSubscription {
    async fn next_event(&mut self) -> kcl_core::Result<Option<SubscriptionEvent>> {
        let event = self.events.next_event().await?;
        let records = event.as_ref().map_or(0, |event| event.records.len());
        self.arrivals.lock().unwrap().extend(repeat_n(Instant::now(), records));
        Ok(event)
    }
}

#[async_trait]
impl Kinesis for Stamping {
    fn now(&self) -> Timestamp {
        self.adapter.now()
    }

    async fn describe_stream(&self, stream: &StreamId) -> kcl_core::Result<StreamDescription> {
        self.adapter.describe_stream(stream).await
    }

    async fn list_shards(&self, stream: &StreamId, page: &ShardPageRequest) -> kcl_core::Result<ShardPage> {
        self.adapter.list_shards(stream, page).await
    }

    async fn get_shard_iterator(
        &self,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> kcl_core::Result<ShardIterator> {
        self.adapter.get_shard_iterator(shard, position).await
    }

    async fn get_records(&self, iterator: &ShardIterator, limit: u32) -> kcl_core::Result<GetRecordsOutput> {
        self.adapter.get_records(iterator, limit).await
    }

    async fn subscribe_to_shard(
        &self,
        consumer: &ConsumerArn,
        shard: &ShardKey,
        position: &IteratorPosition,
    ) -> kcl_core::Result<Box<dyn Subscription>> {
        let events = self.adapter.subscribe_to_shard(consumer, shard, position).await?;
        Ok(Box::new(StampingSubscription { events, arrivals: Arc::clone(&self.arrivals) }))
    }

    async fn register_consumer(
        &self,
        stream: &StreamArn,
        name: &str,
    ) -> kcl_core::Result<ConsumerDescription> {
        self.adapter.register_consumer(stream, name).await
    }

    async fn describe_consumer(&self, consumer: &ConsumerRef) -> kcl_core::Result<ConsumerDescription> {
        self.adapter.describe_consumer(consumer).await
    }

    async fn deregister_consumer(&self, consumer: &ConsumerArn) -> kcl_core::Result<()> {
        self.adapter.deregister_consumer(consumer).await
    }
}

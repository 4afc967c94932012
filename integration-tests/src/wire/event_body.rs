//! The body of an event stream: what a subscription says, as frames, with the fault that was asked for.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use kcl_core::stream::{Subscription, SubscriptionEvent};

use super::answer::{Refusal, child_shards, records};
use super::connection::Ending;
use super::counts::Open;
use super::fault::{StreamFault, WireFault};
use super::frame::{corrupted, error_event, event, initial_response};

/// Asks its subscription for an event only when the connection has room for one.
pub(super) struct EventBody {
    subscription: Box<dyn Subscription>,
    fault: Option<(usize, StreamFault)>,
    /// Events that the subscription has delivered.
    events: usize,
    steps: VecDeque<Step>,
    ending: Ending,
    _open: Open,
}

/// What the body does next.
enum Step {
    Send(Bytes),
    Wait(Duration),
    Silence,
    Reset,
    End,
}

impl EventBody {
    pub(super) fn new(
        subscription: Box<dyn Subscription>,
        fault: WireFault,
        ending: Ending,
        open: Open,
    ) -> Self {
        let mut steps = VecDeque::from([Step::Send(initial_response())]);
        let mut at_event = None;
        match fault {
            WireFault::LateStream(delay) => steps.push_front(Step::Wait(delay)),
            WireFault::AtEvent(number, fault) => at_event = Some((number, fault)),
            _ => {}
        }
        Self { subscription, fault: at_event, events: 0, steps, ending, _open: open }
    }

    /// The next bytes, or `None` at the end.
    pub(super) async fn next_chunk(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            match self.steps.pop_front() {
                Some(Step::Send(bytes)) => return Some(Ok(bytes)),
                Some(Step::Wait(delay)) => tokio::time::sleep(delay).await,
                Some(Step::Silence) => pending().await,
                Some(Step::Reset) => return Some(Err(io::ErrorKind::ConnectionReset.into())),
                Some(Step::End) => return None,
                None => self.plan_next_event().await,
            }
        }
    }

    async fn plan_next_event(&mut self) {
        let fault = self.fault.take_if(|(number, _)| *number == self.events).map(|(_, fault)| fault);
        let instead = match fault {
            Some(StreamFault::ErrorEvent(code)) => {
                vec![Step::Send(error_event(code, "a fault that was asked for")), Step::End]
            }
            Some(StreamFault::Silence) => vec![Step::Silence],
            Some(StreamFault::Reset) => vec![Step::Reset, Step::End],
            Some(StreamFault::DropConnection) => {
                self.ending.drop.cancel();
                vec![Step::Silence]
            }
            Some(StreamFault::End) => vec![Step::End],
            Some(StreamFault::GoAway) => {
                self.ending.go_away.cancel();
                self.next_event(None).await
            }
            fault => self.next_event(fault).await,
        };
        self.steps.extend(instead);
    }

    /// The next event of the subscription, with a fault that leaves something of it.
    async fn next_event(&mut self, fault: Option<StreamFault>) -> Vec<Step> {
        let frame = match self.subscription.next_event().await {
            Ok(Some(event)) => frame(&event),
            Ok(None) => return vec![Step::End],
            Err(error) => {
                let message = error.to_string();
                return vec![Step::Send(error_event(in_stream(&error.into()), &message)), Step::End];
            }
        };
        self.events += 1;
        match fault {
            Some(StreamFault::CutMidFrame) => vec![Step::Send(frame.slice(..frame.len() / 2)), Step::End],
            Some(StreamFault::CorruptFrame) => vec![Step::Send(corrupted(&frame))],
            Some(StreamFault::DuplicateEvent) => vec![Step::Send(frame.clone()), Step::Send(frame)],
            Some(StreamFault::UnknownEvent) => {
                vec![Step::Send(event("SomethingNew", "{}".to_owned())), Step::Send(frame)]
            }
            _ => vec![Step::Send(frame)],
        }
    }
}

/// Streams have a code of their own for the service's trouble.
fn in_stream(refusal: &Refusal) -> &'static str {
    if refusal.code == "InternalFailure" { "InternalFailureException" } else { refusal.code }
}

fn frame(event: &SubscriptionEvent) -> Bytes {
    let continuation = match &event.continuation {
        Some(number) => format!(r#","ContinuationSequenceNumber":"{number}""#),
        None => String::new(),
    };
    let body = format!(
        r#"{{"Records":{},"MillisBehindLatest":{}{continuation}{}}}"#,
        records(&event.records),
        event.millis_behind_latest,
        child_shards(&event.children)
    );
    self::event("SubscribeToShardEvent", body)
}

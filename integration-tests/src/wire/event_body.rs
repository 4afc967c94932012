//! The body of an event stream: what a subscription says, as frames, with the fault that was asked for.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use kcl_core::stream::{Subscription, SubscriptionEvent};

use super::answer::{Refusal, records_page};
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
    open: Open,
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
        Self { subscription, fault: at_event, events: 0, steps, ending, open }
    }

    /// The next bytes, or `None` at the end.
    pub(super) async fn next_chunk(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            match self.steps.pop_front() {
                Some(Step::Send(bytes)) => {
                    self.open.counter().streamed(bytes.len());
                    return Some(Ok(bytes));
                }
                Some(Step::Wait(delay)) => tokio::time::sleep(delay).await,
                Some(Step::Silence) => pending().await,
                Some(Step::Reset) => return Some(Err(io::ErrorKind::ConnectionReset.into())),
                Some(Step::End) => return None,
                None => self.plan_next_event().await,
            }
        }
    }

    /// Waits for the next event of the subscription, and plans what is seen of it.
    async fn plan_next_event(&mut self) {
        let frame = match self.subscription.next_event().await {
            Ok(Some(event)) => frame(&event),
            Ok(None) => return self.steps.push_back(Step::End),
            Err(error) => {
                let message = error.to_string();
                let last = error_event(in_stream(&error.into()), &message);
                return self.steps.extend([Step::Send(last), Step::End]);
            }
        };
        let fault = self.fault.take_if(|(number, _)| *number == self.events).map(|(_, fault)| fault);
        self.events += 1;
        match fault {
            None => self.steps.push_back(Step::Send(frame)),
            Some(fault) => self.strike(fault, frame),
        }
    }

    fn strike(&mut self, fault: StreamFault, frame: Bytes) {
        match fault {
            StreamFault::CutMidFrame => {
                self.steps.extend([Step::Send(frame.slice(..frame.len() / 2)), Step::End]);
            }
            StreamFault::CorruptFrame => self.steps.push_back(Step::Send(corrupted(&frame))),
            StreamFault::ErrorEvent(code) => {
                let last = error_event(code, "a fault that was asked for");
                self.steps.extend([Step::Send(last), Step::End]);
            }
            StreamFault::DuplicateEvent => {
                self.steps.extend([Step::Send(frame.clone()), Step::Send(frame)]);
            }
            StreamFault::UnknownEvent => {
                let unknown = event("SomethingNew", "{}".to_owned());
                self.steps.extend([Step::Send(unknown), Step::Send(frame)]);
            }
            StreamFault::Silence => self.steps.push_back(Step::Silence),
            StreamFault::Reset => self.steps.extend([Step::Reset, Step::End]),
            StreamFault::DropConnection => {
                self.ending.drop.cancel();
                self.steps.push_back(Step::Silence);
            }
            StreamFault::GoAway => {
                self.ending.go_away.cancel();
                self.steps.push_back(Step::Send(frame));
            }
            StreamFault::End => self.steps.push_back(Step::End),
        }
    }
}

/// Streams have a code of their own for the service's trouble.
fn in_stream(refusal: &Refusal) -> &'static str {
    if refusal.code == "InternalFailure" { "InternalFailureException" } else { refusal.code }
}

fn frame(event: &SubscriptionEvent) -> Bytes {
    let continuation =
        event.continuation.as_ref().map(|number| ("ContinuationSequenceNumber", number.to_string()));
    let body = records_page(&event.records, event.millis_behind_latest, continuation, &event.children);
    self::event("SubscribeToShardEvent", body)
}

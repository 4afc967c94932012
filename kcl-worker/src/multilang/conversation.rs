use super::messages::{Action, CheckpointRequest, FromChild, checkpoint_reply};

/// The Java exception of a checkpoint at a time when there can be none.
const NOT_NOW: &str = "InvalidStateException";

/// Whose turn it is between a worker and a child. Pure: it neither reads nor writes.
///
/// The worker asks; the child may ask for checkpoints, each of which is answered before anything else, and then says that
/// it is done. So one that is left in the middle, because its call was dropped, can be gone on with.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    asked: Option<Action>,
    /// A checkpoint that waits for its answer.
    owed: Option<CheckpointRequest>,
}

/// What follows from a message of a child.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It has done what it was asked to.
    Done,
    /// It wants to commit, and waits for the [answer](Conversation::answer).
    Commit(CheckpointRequest),
    /// It wants to commit where nobody can. This is to be sent to it.
    Refused(Vec<u8>),
    /// It does not keep to the protocol, so nothing that it says can be relied on.
    Wrong(String),
}

impl Conversation {
    /// The child is being asked.
    pub(super) fn ask(&mut self, action: Action) {
        debug_assert!(self.asked.is_none(), "one thing at a time");
        self.asked = Some(action);
    }

    /// What the child has still to do.
    pub(super) fn asked(&self) -> Option<Action> {
        self.asked
    }

    pub(super) fn hear(&mut self, message: FromChild) -> Heard {
        let Some(asked) = self.asked else { return self.hear_unasked(message) };
        match message {
            FromChild::Status { response_for } if response_for.as_deref() == Some(asked.name()) => {
                self.asked = None;
                Heard::Done
            }
            FromChild::Status { response_for } => {
                let (asked, said) = (asked.name(), response_for.unwrap_or_else(|| "nothing".to_owned()));
                Heard::Wrong(format!("the child was asked for {asked}, and said that it has done {said}"))
            }
            FromChild::Checkpoint(request) if may_commit(asked) => self.owe(request),
            FromChild::Checkpoint(request) => Heard::Refused(checkpoint_reply(&request, Some(NOT_NOW))),
        }
    }

    /// A child whose processor works beside its calls may ask for a checkpoint between two of them. A second status would be
    /// taken for that of the next call, before its records are processed.
    fn hear_unasked(&mut self, message: FromChild) -> Heard {
        match message {
            FromChild::Checkpoint(request) => self.owe(request),
            FromChild::Status { response_for } => {
                let said = response_for.unwrap_or_else(|| "nothing".to_owned());
                Heard::Wrong(format!(
                    "the child was asked for nothing more, and said that it has done {said}"
                ))
            }
        }
    }

    fn owe(&mut self, request: CheckpointRequest) -> Heard {
        self.owed = Some(request.clone());
        Heard::Commit(request)
    }

    /// The answer to the checkpoint that waits for one, if any does.
    pub(super) fn answer(&mut self, error: Option<&str>) -> Option<Vec<u8>> {
        self.owed.take().map(|request| checkpoint_reply(&request, error))
    }
}

/// Before its first records a child has nothing to commit, and after the lease is lost no right to.
fn may_commit(asked: Action) -> bool {
    match asked {
        Action::Initialize | Action::LeaseLost => false,
        Action::ProcessRecords | Action::ShardEnded | Action::ShutdownRequested => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [Action; 5] = [
        Action::Initialize,
        Action::ProcessRecords,
        Action::LeaseLost,
        Action::ShardEnded,
        Action::ShutdownRequested,
    ];

    fn asked(action: Action) -> Conversation {
        let mut conversation = Conversation::default();
        conversation.ask(action);
        conversation
    }

    fn status(name: &str) -> FromChild {
        FromChild::Status { response_for: Some(name.to_owned()) }
    }

    fn request() -> CheckpointRequest {
        CheckpointRequest { sequence_number: Some("456".to_owned()), sub_sequence_number: Some(0) }
    }

    #[test]
    fn only_the_status_of_what_was_asked_ends_it() {
        for action in ACTIONS {
            for other in ACTIONS {
                let heard = asked(action).hear(status(other.name()));
                assert_eq!(heard == Heard::Done, action == other, "{action:?} {other:?}: {heard:?}");
                assert_eq!(matches!(heard, Heard::Wrong(_)), action != other);
            }
        }
        assert!(matches!(
            asked(Action::LeaseLost).hear(FromChild::Status { response_for: None }),
            Heard::Wrong(_)
        ));
        assert!(matches!(Conversation::default().hear(status("initialize")), Heard::Wrong(_)));
    }

    #[test]
    fn between_two_calls_a_child_may_commit_and_not_be_done_again() {
        let mut conversation = asked(Action::ProcessRecords);
        assert_eq!(conversation.hear(status("processRecords")), Heard::Done);
        assert_eq!(conversation.hear(FromChild::Checkpoint(request())), Heard::Commit(request()));
        assert_eq!(conversation.answer(None), Some(checkpoint_reply(&request(), None)));
        assert!(matches!(conversation.hear(status("processRecords")), Heard::Wrong(_)));
    }

    #[test]
    fn checkpoints_are_answered_while_there_is_something_to_commit() {
        for action in [Action::ProcessRecords, Action::ShardEnded, Action::ShutdownRequested] {
            let mut conversation = asked(action);
            for error in [None, Some("ThrottlingException")] {
                assert_eq!(conversation.hear(FromChild::Checkpoint(request())), Heard::Commit(request()));
                assert_eq!(conversation.answer(error), Some(checkpoint_reply(&request(), error)));
                assert_eq!(conversation.answer(None), None, "once");
            }
            assert_eq!(conversation.hear(status(action.name())), Heard::Done);
            assert_eq!(conversation.asked(), None);
        }
    }

    #[test]
    fn checkpoints_are_refused_before_the_first_records_and_after_the_loss_of_the_lease() {
        for action in [Action::Initialize, Action::LeaseLost] {
            let reply = checkpoint_reply(&request(), Some("InvalidStateException"));
            let mut conversation = asked(action);
            assert_eq!(conversation.hear(FromChild::Checkpoint(request())), Heard::Refused(reply));
            assert_eq!(conversation.hear(status(action.name())), Heard::Done);
        }
    }
}

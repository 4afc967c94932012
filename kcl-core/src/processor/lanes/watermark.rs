use std::collections::VecDeque;

use crate::model::RecordPosition;

/// Places kept while nothing is taken: enough for a trickle, nothing for a worker with thousands of idle shards.
const IDLE_PLACES: usize = 16;

/// The place of something taken in the order of taking. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(u64);

impl Ticket {
    /// That of the very first.
    pub(crate) const FIRST: Self = Self(0);

    /// That of what is taken next after this.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What is taken in order and finished in any order, and the highest position up to which all of it is finished.
///
/// Something finished is let go at once; of it remain its position and its size until everything before it is finished
/// too. Invariant: the oldest of what is kept is unfinished.
#[derive(Debug)]
pub(crate) struct Watermark<T> {
    /// The ticket of the oldest.
    first: u64,
    taken: VecDeque<Taken<T>>,
    bytes: usize,
    position: Option<RecordPosition>,
}

#[derive(Debug)]
struct Taken<T> {
    position: RecordPosition,
    bytes: usize,
    unfinished: Option<T>,
}

impl<T> Watermark<T> {
    pub(crate) fn new() -> Self {
        Self { first: Ticket::FIRST.0, taken: VecDeque::new(), bytes: 0, position: None }
    }

    /// Takes what lies at `position`, above everything taken before.
    pub(crate) fn take(&mut self, position: RecordPosition, bytes: usize, item: T) -> Ticket {
        let ticket = Ticket(self.first + self.taken.len() as u64);
        self.taken.push_back(Taken { position, bytes, unfinished: Some(item) });
        self.bytes += bytes;
        ticket
    }

    /// Lets go of what has this ticket; `None` if that is finished already. Takes constant time, averaged over all.
    pub(crate) fn finish(&mut self, ticket: Ticket) -> Option<T> {
        let index = self.index(ticket)?;
        let item = self.taken.get_mut(index)?.unfinished.take();
        while let Some(passed) = self.taken.pop_front_if(|oldest| oldest.unfinished.is_none()) {
            self.first += 1;
            self.bytes -= passed.bytes;
            self.position = Some(passed.position);
        }
        if self.taken.is_empty() {
            self.taken.shrink_to(IDLE_PLACES);
        }
        item
    }

    /// What has this ticket, unless it is finished.
    pub(crate) fn get(&self, ticket: Ticket) -> Option<&T> {
        self.taken.get(self.index(ticket)?)?.unfinished.as_ref()
    }

    /// What has this ticket, unless it is finished.
    pub(crate) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut T> {
        let index = self.index(ticket)?;
        self.taken.get_mut(index)?.unfinished.as_mut()
    }

    /// Everything up to and including this is finished; `None` until the first is.
    pub(crate) fn position(&self) -> Option<&RecordPosition> {
        self.position.as_ref()
    }

    /// True if everything taken up to and including this ticket is finished.
    pub(crate) fn has_passed(&self, ticket: Ticket) -> bool {
        ticket.0 < self.first
    }

    /// How many lie above the watermark, finished or not.
    pub(crate) fn len(&self) -> usize {
        self.taken.len()
    }

    /// How large everything is that lies above the watermark, finished or not.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn index(&self, ticket: Ticket) -> Option<usize> {
        usize::try_from(ticket.0.checked_sub(self.first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn position(number: usize) -> RecordPosition {
        let sequence_number = (number / 3 + 1).to_string().parse().unwrap();
        RecordPosition { sequence_number, sub_sequence_number: number as u64 % 3 }
    }

    #[test]
    fn what_is_finished_out_of_order_waits_for_what_lies_before() {
        let mut watermark = Watermark::new();
        let [a, b, c] = [0, 1, 2].map(|number| watermark.take(position(number), 10, number));
        assert_eq!(watermark.finish(b), Some(1));
        assert_eq!((watermark.position(), watermark.bytes()), (None, 30));
        assert_eq!(watermark.finish(b), None, "it has been let go");
        assert_eq!(watermark.finish(a), Some(0));
        assert_eq!(watermark.position(), Some(&position(1)));
        assert!(watermark.has_passed(b) && !watermark.has_passed(c));
        assert_eq!((watermark.len(), watermark.bytes(), watermark.get(c)), (1, 10, Some(&2)));
    }

    #[test]
    fn nothing_is_kept_of_what_the_watermark_has_passed() {
        let mut watermark = Watermark::new();
        let tickets: Vec<Ticket> = (0..10_000).map(|n| watermark.take(position(n), 1, ())).collect();
        for ticket in tickets {
            watermark.finish(ticket);
        }
        assert_eq!((watermark.len(), watermark.bytes()), (0, 0));
        assert!(watermark.taken.capacity() <= IDLE_PLACES, "{}", watermark.taken.capacity());
    }

    proptest! {
        #[test]
        fn it_is_the_highest_position_up_to_which_everything_is_finished(
            steps in vec((any::<bool>(), any::<prop::sample::Index>()), 1..200),
        ) {
            let mut watermark = Watermark::new();
            let (mut tickets, mut is_finished) = (Vec::new(), Vec::new());
            for (takes, which) in steps {
                if takes || tickets.is_empty() {
                    tickets.push(watermark.take(position(tickets.len()), 1, ()));
                    is_finished.push(false);
                } else {
                    let number = which.index(tickets.len());
                    let is_first = watermark.finish(tickets[number]).is_some();
                    prop_assert_eq!(is_first, !std::mem::replace(&mut is_finished[number], true));
                }
                let passed = is_finished.iter().take_while(|finished| **finished).count();
                prop_assert_eq!(watermark.position().cloned(), passed.checked_sub(1).map(position));
                prop_assert_eq!(watermark.len(), tickets.len() - passed);
                for (number, ticket) in tickets.iter().enumerate() {
                    prop_assert_eq!(watermark.get(*ticket).is_some(), !is_finished[number]);
                    prop_assert_eq!(watermark.has_passed(*ticket), number < passed);
                }
            }
        }
    }
}

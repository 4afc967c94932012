use std::collections::BTreeSet;

use super::table_scan::TableScan;
use crate::event::{Event, Events};
use crate::lease::LeaseBook;
use crate::model::MonotonicTime;

/// Reports a scan of the lease table, and what the table shows of the fleet.
pub(super) fn report_scan(
    scan: &TableScan,
    book: &LeaseBook,
    held: usize,
    now: MonotonicTime,
    events: &Events,
) {
    let (mut leases, mut free, mut workers) = (0, 0, BTreeSet::new());
    for lease in book.leases() {
        leases += 1;
        match book.live_owner(&lease.shard, now) {
            Some(owner) => {
                workers.insert(owner);
            }
            None => free += usize::from(!lease.is_finished()),
        }
    }
    let (workers, elapsed, interval) = (workers.len(), scan.took(), scan.interval());
    events.emit(&Event::TableScanned { leases, held, free, workers, elapsed, interval });
}

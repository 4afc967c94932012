//! Aggregates: what is read, what is written, and what becomes of bytes that are neither.

mod allocations;
mod encoding;
mod expansion;
mod fuzzing;
mod goldens;
mod judge;
mod malformed;
mod reading;
mod scenario;
mod seals;
mod wire;

use bytes::Bytes;
use kcl_core::aggregation::{Aggregate, Malformation, Parsed};

fn aggregate(data: &Bytes) -> Aggregate {
    match Aggregate::parse(data) {
        Parsed::Aggregate(aggregate) => aggregate,
        other => panic!("not an aggregate: {other:?}"),
    }
}

fn malformation(data: &Bytes) -> Malformation {
    match Aggregate::parse(data) {
        Parsed::Malformed(malformation) => malformation,
        other => panic!("not malformed: {other:?}"),
    }
}

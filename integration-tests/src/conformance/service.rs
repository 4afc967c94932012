//! The cases that Amazon Kinesis itself is not asked for. Nobody has run the suite there.

use super::emulator::{Departures, NEEDS_PAGES, NEEDS_TIME};

pub(super) const DEPARTURES: Departures = &[NEEDS_TIME, NEEDS_PAGES];

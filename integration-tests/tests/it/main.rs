//! The framework and its AWS adapters over real sockets, against emulators in this process.

mod adapter_errors;
mod backend;
mod canned;
mod conformance;
mod lease_rows;

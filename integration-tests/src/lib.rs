//! The promises of the framework over real sockets: everything is in `tests/it`, one binary.

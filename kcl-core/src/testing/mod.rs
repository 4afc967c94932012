//! Tools for tests, ours and users'.

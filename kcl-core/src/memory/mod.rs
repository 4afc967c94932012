//! The two ports in memory, with the rules of the services.

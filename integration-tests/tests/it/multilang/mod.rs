//! Children that speak the MultiLang protocol: a fake one that misbehaves on request, and, where the environment says where
//! they are, the libraries for Python and Node.

mod behaviour;
mod child_log;
mod death;

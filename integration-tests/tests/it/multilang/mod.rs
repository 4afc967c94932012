//! Children that speak the MultiLang protocol: a fake one that misbehaves on request, and, with the feature
//! `multilang-packages`, the libraries for Python and Node.

mod behaviour;
mod child_log;
mod death;
mod ending;
mod mischief;
#[cfg(feature = "multilang-packages")]
mod packages;
mod redelivery;
mod scene;

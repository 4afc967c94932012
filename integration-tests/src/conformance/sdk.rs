//! What a client needs, for the endpoints that tests use.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;

/// Credentials and region of the environment, or ones that emulators take.
pub async fn sdk_config() -> SdkConfig {
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.unwrap_or_else(|| "us-east-1".to_owned())));
    if has_credentials() {
        loader.load().await
    } else {
        loader.credentials_provider(dummy_credentials()).load().await
    }
}

/// True if the environment names credentials.
pub fn has_credentials() -> bool {
    variable("AWS_ACCESS_KEY_ID").is_some() || variable("AWS_PROFILE").is_some()
}

/// Credentials that emulators take.
pub fn dummy_credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "integration tests")
}

/// A variable of the environment that is set to something.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// A name that no other call returns, nor a call of another run: the services may outlive us.
pub fn unique_name(prefix: &str) -> String {
    static RUN: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{:016x}-{count}", *RUN)
}

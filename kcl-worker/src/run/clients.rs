use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use kcl_core::aws::{AwsKinesis, DynamoDbLeaseStore, dynamodb_client, kinesis_client};
use kcl_core::worker::Ports;

use super::credentials;
use crate::config::{Config, EndpointUrl};

/// How the services are reached.
#[derive(Debug)]
pub(crate) struct Clients {
    /// For the services that the configuration does not single out.
    pub(super) sdk: SdkConfig,
    pub(crate) kinesis: SdkConfig,
    dynamodb: SdkConfig,
}

impl Clients {
    /// What the configuration says, and the SDK's usual chain where it says nothing.
    pub(crate) async fn load(config: &Config) -> Self {
        let endpoint_url = config.endpoint_url.as_ref().map(EndpointUrl::as_str);
        let mut sdk = sdk_config(config.region.as_deref(), endpoint_url).await;
        if let Some(provider) = credentials::provider(&config.credentials, &sdk).await {
            sdk = sdk.into_builder().credentials_provider(provider).build();
        }
        let mut dynamodb = at(&sdk, config.dynamodb_endpoint_url.as_ref()).await;
        if let Some(sources) = &config.dynamodb_credentials {
            let provider = credentials::chain(sources, &sdk).await;
            dynamodb = dynamodb.into_builder().credentials_provider(provider).build();
        }
        Self { kinesis: at(&sdk, config.kinesis_endpoint_url.as_ref()).await, dynamodb, sdk }
    }

    /// The stream as the configuration addresses it.
    pub(crate) fn kinesis(&self, config: &Config) -> AwsKinesis {
        let kinesis = AwsKinesis::new(kinesis_client(&self.kinesis));
        match &config.stream_arn {
            Some(arn) => kinesis.with_stream_arn(config.stream.clone(), arn.clone()),
            None => kinesis,
        }
    }

    /// What the worker uses.
    pub(crate) fn ports(&self, config: &Config) -> Ports {
        let client = dynamodb_client(&self.dynamodb);
        let leases = DynamoDbLeaseStore::new(client, config.lease_table(), config.stream.clone());
        Ports { kinesis: Arc::new(self.kinesis(config)), leases: Arc::new(leases) }
    }
}

/// The SDK's usual chain, with another region and endpoint if there are any.
async fn sdk_config(region: Option<&str>, endpoint_url: Option<&str>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(url) = endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}

/// The same with another endpoint. It is loaded and not only changed, since the SDK goes by the variables of a single
/// service, such as `AWS_ENDPOINT_URL_KINESIS`, unless an endpoint was given to the loader.
async fn at(sdk: &SdkConfig, url: Option<&EndpointUrl>) -> SdkConfig {
    let Some(url) = url else { return sdk.clone() };
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).endpoint_url(url.as_str());
    if let Some(region) = sdk.region() {
        loader = loader.region(region.clone());
    }
    if let Some(provider) = sdk.credentials_provider() {
        loader = loader.credentials_provider(provider);
    }
    loader.load().await
}

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{Region, SdkConfig, default_provider};
use aws_credential_types::provider::SharedCredentialsProvider;

use crate::config::{AssumedRole, CredentialSource};

/// What the SDK is to use, unless that is what it uses anyway.
pub(super) async fn provider(
    sources: &[CredentialSource],
    sdk: &SdkConfig,
) -> Option<SharedCredentialsProvider> {
    if *sources == [CredentialSource::Default] { None } else { Some(chain(sources, sdk).await) }
}

/// One source after the other, until one has credentials.
pub(super) async fn chain(sources: &[CredentialSource], sdk: &SdkConfig) -> SharedCredentialsProvider {
    let mut chain: Option<CredentialsProviderChain> = None;
    for source in sources {
        let provider = of(source, sdk).await;
        chain = Some(match chain {
            None => CredentialsProviderChain::first_try(name(source), provider),
            Some(chain) => chain.or_else(name(source), provider),
        });
    }
    match chain {
        Some(chain) => SharedCredentialsProvider::new(chain),
        None => of(&CredentialSource::Default, sdk).await,
    }
}

async fn of(source: &CredentialSource, sdk: &SdkConfig) -> SharedCredentialsProvider {
    match source {
        CredentialSource::Default => {
            let mut builder = default_provider::credentials::DefaultCredentialsChain::builder();
            builder.set_region(sdk.region().cloned());
            SharedCredentialsProvider::new(builder.build().await)
        }
        CredentialSource::Environment => {
            SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new())
        }
        CredentialSource::Profile(name) => {
            let mut builder = ProfileFileCredentialsProvider::builder();
            if let Some(name) = name {
                builder = builder.profile_name(name);
            }
            SharedCredentialsProvider::new(builder.build())
        }
        CredentialSource::Container => {
            SharedCredentialsProvider::new(EcsCredentialsProvider::builder().build())
        }
        CredentialSource::Instance => {
            SharedCredentialsProvider::new(ImdsCredentialsProvider::builder().build())
        }
        CredentialSource::WebIdentity => {
            SharedCredentialsProvider::new(WebIdentityTokenCredentialsProvider::builder().build())
        }
        CredentialSource::AssumeRole(role) => SharedCredentialsProvider::new(assumed(role, sdk).await),
    }
}

/// Requests to STS do not go where those to the other services may be told to go.
async fn assumed(role: &AssumedRole, sdk: &SdkConfig) -> AssumeRoleProvider {
    let mut sts = sdk.clone().into_builder();
    sts.set_endpoint_url(role.endpoint_url.as_ref().map(|url| url.as_str().to_owned()));
    let mut builder = AssumeRoleProvider::builder(&role.arn).configure(&sts.build());
    if let Some(name) = &role.session_name {
        builder = builder.session_name(name);
    }
    if let Some(id) = &role.external_id {
        builder = builder.external_id(id);
    }
    if let Some(region) = &role.region {
        builder = builder.region(Region::new(region.clone()));
    }
    builder.build().await
}

fn name(source: &CredentialSource) -> &'static str {
    match source {
        CredentialSource::Default => "default",
        CredentialSource::Environment => "environment",
        CredentialSource::Profile(_) => "profile",
        CredentialSource::Container => "container",
        CredentialSource::Instance => "instance",
        CredentialSource::WebIdentity => "web-identity",
        CredentialSource::AssumeRole(_) => "assume-role",
    }
}

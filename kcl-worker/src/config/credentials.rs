use std::str::FromStr;

use super::{EndpointUrl, forms};

/// What a list of credential sources is made of, for messages and help.
pub(crate) const CREDENTIALS_FORM: &str = "default, environment, profile, profile:NAME, container, instance, \
    web-identity, or assume-role:ARN?session_name=NAME, which may go on with &external_id=ID, &region=REGION and \
    &endpoint_url=URL; several are tried in turn";

/// A place where AWS credentials come from. None holds a secret: those stay where the AWS tools keep them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// All the places below but for roles to assume, in the order of the AWS tools.
    Default,
    /// The variables `AWS_ACCESS_KEY_ID` and so on.
    Environment,
    /// A profile of the shared files; the default one if it has no name.
    Profile(Option<String>),
    /// The container's role.
    Container,
    /// The instance's role.
    Instance,
    /// The token file of a web identity, as in Kubernetes.
    WebIdentity,
    /// A role that is assumed with the credentials of the default places.
    AssumeRole(AssumedRole),
}

/// A role to assume (`AssumeRole`, STS API reference).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AssumedRole {
    /// The role.
    pub arn: String,
    /// What the session is called in logs. Default: a made-up name.
    pub session_name: Option<String>,
    /// What the owner of the role may ask for.
    pub external_id: Option<String>,
    /// The region of the STS endpoint. Default: that of all clients.
    pub region: Option<String>,
    /// The STS endpoint. Default: AWS's own.
    pub endpoint_url: Option<EndpointUrl>,
}

impl FromStr for CredentialSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let source = match text.split_once(':') {
            None => named(text),
            Some(("profile", name)) if !name.is_empty() => Some(Self::Profile(Some(name.to_owned()))),
            Some(("assume-role", role)) => assumed_role(role).map(Self::AssumeRole),
            Some(_) => None,
        };
        source.ok_or_else(|| format!("use {CREDENTIALS_FORM}"))
    }
}

fn named(text: &str) -> Option<CredentialSource> {
    Some(match text {
        "default" => CredentialSource::Default,
        "environment" => CredentialSource::Environment,
        "profile" => CredentialSource::Profile(None),
        "container" => CredentialSource::Container,
        "instance" => CredentialSource::Instance,
        "web-identity" => CredentialSource::WebIdentity,
        _ => return None,
    })
}

/// `ARN?name=value&name=value`.
fn assumed_role(text: &str) -> Option<AssumedRole> {
    let (arn, options) = text.split_once('?').unwrap_or((text, ""));
    if !arn.starts_with("arn:") {
        return None;
    }
    let mut role = AssumedRole { arn: arn.to_owned(), ..AssumedRole::default() };
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').filter(|(_, value)| !value.is_empty())?;
        match name {
            "session_name" => role.session_name = Some(value.to_owned()),
            "external_id" => role.external_id = Some(value.to_owned()),
            "region" => role.region = Some(forms::region(value).ok()?),
            "endpoint_url" => role.endpoint_url = Some(EndpointUrl(forms::endpoint_url(value).ok()?)),
            _ => return None,
        }
    }
    Some(role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_a_text() {
        let role = AssumedRole {
            arn: "arn:aws:iam::123456789012:role/reader".to_owned(),
            session_name: Some("kcl".to_owned()),
            external_id: Some("a=b".to_owned()),
            ..AssumedRole::default()
        };
        for (text, source) in [
            ("default", CredentialSource::Default),
            ("environment", CredentialSource::Environment),
            ("profile", CredentialSource::Profile(None)),
            ("profile:a:b", CredentialSource::Profile(Some("a:b".to_owned()))),
            ("container", CredentialSource::Container),
            ("instance", CredentialSource::Instance),
            ("web-identity", CredentialSource::WebIdentity),
            (
                "assume-role:arn:aws:iam::123456789012:role/reader?session_name=kcl&external_id=a=b",
                CredentialSource::AssumeRole(role),
            ),
        ] {
            assert_eq!(text.parse(), Ok(source), "{text}");
        }
    }

    #[test]
    fn what_is_no_source_is_told_what_is() {
        for text in [
            "",
            "static",
            "profile:",
            "AKIA:secret",
            "assume-role:",
            "assume-role:x",
            "assume-role:arn:aws:iam::1:role/r?secret=x",
            "assume-role:arn:aws:iam::1:role/r?session_name=",
            "assume-role:arn:aws:iam::1:role/r?region=EU",
            "assume-role:arn:aws:iam::1:role/r?endpoint_url=localhost:4566",
        ] {
            let advice = text.parse::<CredentialSource>().unwrap_err();
            assert!(advice.contains("web-identity"), "{text}: {advice}");
        }
    }
}

use crate::config::value::Value;

const ROLE_ADVICE: &str = "use a provider such as StsAssumeRoleCredentialsProvider|ARN|SESSION-NAME|externalId=ID|endpointRegion=REGION";

/// A comma list of Java classes, each with its parameters behind bars, as sources of credentials
/// (`AwsCredentialsProviderPropertyValueDecoder.java`). Neither the answer nor an error holds a secret.
pub(super) fn sources(text: &str) -> Result<Option<Value>, String> {
    let providers = text.split(',').map(str::trim).filter(|provider| !provider.is_empty());
    let sources = providers.map(source).collect::<Result<Vec<_>, _>>()?;
    if sources.is_empty() {
        return Err("use DefaultCredentialsProvider".to_owned());
    }
    Ok(Some(Value::List(sources)))
}

fn source(provider: &str) -> Result<String, String> {
    let mut parts = provider.split('|').map(str::trim);
    let class = parts.next().unwrap_or_default();
    let class = class.rsplit('.').next().unwrap_or_default();
    let parameters: Vec<&str> = parts.collect();
    Ok(match class {
        "DefaultCredentialsProvider" | "DefaultAWSCredentialsProviderChain" => "default".to_owned(),
        "EnvironmentVariableCredentialsProvider" => "environment".to_owned(),
        "ProfileCredentialsProvider" => match parameters.first() {
            Some(name) => format!("profile:{name}"),
            None => "profile".to_owned(),
        },
        "ContainerCredentialsProvider" | "EC2ContainerCredentialsProviderWrapper" => "container".to_owned(),
        "InstanceProfileCredentialsProvider" => "instance".to_owned(),
        "WebIdentityTokenFileCredentialsProvider" | "WebIdentityTokenCredentialsProvider" => {
            "web-identity".to_owned()
        }
        "KclStsAssumeRoleCredentialsProvider"
        | "StsAssumeRoleCredentialsProvider"
        | "KclSTSAssumeRoleSessionCredentialsProvider"
        | "STSAssumeRoleSessionCredentialsProvider" => assumed_role(&parameters)?,
        _ => return Err(refusal(class)),
    })
}

fn refusal(class: &str) -> String {
    let why = match class {
        "StaticCredentialsProvider" | "AWSStaticCredentialsProvider" => "secrets do not belong in this file",
        "PropertiesFileCredentialsProvider" | "ClasspathPropertiesFileCredentialsProvider" => {
            "the secrets of that file belong in a profile"
        }
        "SystemPropertyCredentialsProvider" | "SystemPropertiesCredentialsProvider" => {
            "there are no system properties of Java"
        }
        "ProcessCredentialsProvider" => "name the process in a profile, as credential_process",
        "AnonymousCredentialsProvider" => "Kinesis and DynamoDB answer nobody without credentials",
        _ => "it is a class of Java",
    };
    format!(
        "{class} is not possible here: {why}; use DefaultCredentialsProvider, EnvironmentVariableCredentialsProvider, \
         ProfileCredentialsProvider|NAME, ContainerCredentialsProvider, InstanceProfileCredentialsProvider, \
         WebIdentityTokenFileCredentialsProvider, or StsAssumeRoleCredentialsProvider|ARN|SESSION-NAME"
    )
}

/// The role and the name of the session, and then `externalId=`, `endpointRegion=` or `endpoint=URL^REGION`
/// (`NestedPropertyKey.java`).
fn assumed_role(parameters: &[&str]) -> Result<String, String> {
    let [arn, session_name, options @ ..] = parameters else { return Err(ROLE_ADVICE.to_owned()) };
    let mut source = format!("assume-role:{arn}?session_name={session_name}");
    for option in options {
        match option.split_once('=') {
            Some(("externalId", id)) => source.extend(["&external_id=", id]),
            Some(("endpointRegion", region)) => source.extend(["&region=", region]),
            Some(("endpoint", endpoint)) => {
                let (url, region) = endpoint.split_once('^').ok_or("use endpoint=URL^REGION")?;
                let scheme = if url.contains("://") { "" } else { "https://" };
                source.extend(["&endpoint_url=", scheme, url, "&region=", region]);
            }
            _ => return Err(ROLE_ADVICE.to_owned()),
        }
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_that_can_be_honoured_is_a_source() {
        const ARN: &str = "arn:aws:iam::123456789012:role/reader";
        let role =
            |class: &str| (format!("{class}|{ARN}|kcl"), format!("assume-role:{ARN}?session_name=kcl"));
        let pair = |class: &str, source: &str| (class.to_owned(), source.to_owned());
        for (class, source) in [
            pair("DefaultCredentialsProvider", "default"),
            pair("software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider", "default"),
            pair("DefaultAWSCredentialsProviderChain", "default"),
            pair("EnvironmentVariableCredentialsProvider", "environment"),
            pair("ProfileCredentialsProvider", "profile"),
            pair("ProfileCredentialsProvider|orders", "profile:orders"),
            pair("ContainerCredentialsProvider", "container"),
            pair("InstanceProfileCredentialsProvider", "instance"),
            pair("WebIdentityTokenFileCredentialsProvider", "web-identity"),
            role("StsAssumeRoleCredentialsProvider"),
            role("KclStsAssumeRoleCredentialsProvider"),
            role("KclSTSAssumeRoleSessionCredentialsProvider"),
            pair(
                " EnvironmentVariableCredentialsProvider , InstanceProfileCredentialsProvider,",
                "environment instance",
            ),
            (
                format!(
                    "KclStsAssumeRoleCredentialsProvider|{ARN}|kcl|endpointRegion=us-east-1|externalId=spartacus"
                ),
                format!("assume-role:{ARN}?session_name=kcl&region=us-east-1&external_id=spartacus"),
            ),
            (
                format!("KclStsAssumeRoleCredentialsProvider|{ARN}|kcl|endpoint=sts.example.com^eu-west-1"),
                format!(
                    "assume-role:{ARN}?session_name=kcl&endpoint_url=https://sts.example.com&region=eu-west-1"
                ),
            ),
        ] {
            let sources = sources(&class).unwrap().unwrap();
            assert_eq!(sources.text(), source);
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name_and_without_its_secrets() {
        for (text, part) in [
            ("StaticCredentialsProvider|AKIAEXAMPLE|s3cret", "do not belong in this file"),
            ("SystemPropertyCredentialsProvider", "system properties"),
            ("com.example.VaultProvider|s3cret", "VaultProvider is not possible here: it is a class of Java"),
            ("ProcessCredentialsProvider|s3cret", "credential_process"),
            ("StsAssumeRoleCredentialsProvider|s3cret", "SESSION-NAME"),
            ("StsAssumeRoleCredentialsProvider|arn:x|n|colour=s3cret", "SESSION-NAME"),
            (" , ", "DefaultCredentialsProvider"),
        ] {
            let advice = sources(text).unwrap_err();
            assert!(advice.contains(part) && !advice.contains("s3cret"), "{text}: {advice}");
        }
    }
}

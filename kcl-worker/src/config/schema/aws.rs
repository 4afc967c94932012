use super::Group;
use crate::config::config::EndpointUrl;
use crate::config::credentials::{CREDENTIALS_FORM, CredentialSource};
use crate::config::forms;
use crate::config::key::{Key, Kind, Preset};
use crate::config::mask::{MASK, printable, printable_url};

pub(super) static GROUP: Group = Group { title: "AWS", keys: &KEYS };

const URL_FORM: &str = "a URL of the scheme http or https, such as http://localhost:4566";

static KEYS: [Key; 6] = [
    Key::new(
        "region",
        Kind::Text {
            placeholder: "REGION",
            form: "a region's name, such as eu-west-1",
            set: |config, text| {
                config.region = Some(forms::region(text)?);
                Ok(())
            },
        },
        Preset::Words("from the environment or the profile"),
        "The AWS region.",
    ),
    Key::new(
        "endpoint_url",
        Kind::Text {
            placeholder: "URL",
            form: URL_FORM,
            set: |config, text| {
                config.endpoint_url = Some(endpoint_url(text)?);
                Ok(())
            },
        },
        Preset::Words("AWS's own, or what `AWS_ENDPOINT_URL` says"),
        "Send requests to this URL instead of AWS's own, for example to LocalStack.",
    )
    .showing(printable_url),
    Key::new(
        "kinesis_endpoint_url",
        Kind::Text {
            placeholder: "URL",
            form: URL_FORM,
            set: |config, text| {
                config.kinesis_endpoint_url = Some(endpoint_url(text)?);
                Ok(())
            },
        },
        Preset::Words("as `endpoint_url`"),
        "Send requests for Kinesis to this URL.",
    )
    .showing(printable_url),
    Key::new(
        "dynamodb_endpoint_url",
        Kind::Text {
            placeholder: "URL",
            form: URL_FORM,
            set: |config, text| {
                config.dynamodb_endpoint_url = Some(endpoint_url(text)?);
                Ok(())
            },
        },
        Preset::Words("as `endpoint_url`"),
        "Send requests for DynamoDB to this URL.",
    )
    .showing(printable_url),
    Key::new(
        "credentials",
        Kind::Words {
            placeholder: "SOURCES",
            form: CREDENTIALS_FORM,
            set: |config, words| {
                config.credentials = credentials(words)?;
                Ok(())
            },
        },
        Preset::Value("default"),
        "Where credentials are looked for. By default where AWS programs look for them: the environment, the shared \
         files, the container's or the instance's role. Secrets themselves are never given here.",
    )
    .showing(source),
    Key::new(
        "dynamodb_credentials",
        Kind::Words {
            placeholder: "SOURCES",
            form: CREDENTIALS_FORM,
            set: |config, words| {
                config.dynamodb_credentials = Some(credentials(words)?);
                Ok(())
            },
        },
        Preset::Words("as `credentials`"),
        "Where the credentials for the lease table are looked for, if they differ: for a stream of another account.",
    )
    .showing(source),
];

fn endpoint_url(text: &str) -> Result<EndpointUrl, String> {
    forms::endpoint_url(text).map(EndpointUrl)
}

fn credentials(words: &[String]) -> Result<Vec<CredentialSource>, String> {
    if words.is_empty() {
        return Err(format!("use {CREDENTIALS_FORM}"));
    }
    words.iter().map(|word| word.parse()).collect()
}

/// Who gives a secret instead of a source is not shown it.
fn source(word: &str) -> String {
    if word.parse::<CredentialSource>().is_ok() { printable(word) } else { MASK.to_owned() }
}

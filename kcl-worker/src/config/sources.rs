use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::PathBufValueParser;
use clap::{Arg, ArgMatches};

use super::layer::Layer;
use super::problem::Problem;
use super::resolve::{Resolved, resolve};
use super::schema::Schema;
use super::{environment, flags, properties, source_text, toml_file};
use crate::Failure;

/// The flag that names a TOML file.
const FILE: &str = "config";

/// The flag that names a properties file.
const PROPERTIES: &str = "properties";

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    files: Files,
    environment: Vec<(OsString, OsString)>,
    flags: ArgMatches,
}

/// The file of settings.
#[derive(Debug, Clone, Default)]
enum Files {
    #[default]
    None,
    Toml(PathBuf),
    Properties(PathBuf),
    /// More than there can be.
    Both(String),
}

/// The flags that name a file.
pub(crate) fn file_arguments() -> [Arg; 2] {
    let file = |name: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(PathBufValueParser::new())
    };
    [
        file(FILE).help("Read settings from this TOML file; or from that of the variable KCL_CONFIG"),
        file(PROPERTIES).help(
            "Read settings from this properties file of a MultiLangDaemon; or from that of KCL_PROPERTIES",
        ),
    ]
}

impl Sources {
    /// Those of this process.
    pub(crate) fn new(flags: ArgMatches) -> Self {
        let environment: Vec<_> = env::vars_os().collect();
        Self { files: Files::chosen(&flags, &environment), environment, flags }
    }

    /// One file alone, which is of the type that its name says.
    pub(crate) fn file_alone(path: &Path) -> Self {
        let is_properties = path.extension().is_some_and(|extension| extension == "properties");
        let files = if is_properties { Files::Properties } else { Files::Toml };
        Self { files: files(path.to_owned()), environment: Vec::new(), flags: ArgMatches::default() }
    }

    /// Reads them all.
    pub(crate) fn resolve(&self, schema: &Schema) -> Result<Resolved, Failure> {
        let environment = environment::read(schema, &self.environment);
        let layers = vec![self.files.read(schema), environment, flags::read(schema, &self.flags)];
        resolve(schema, layers).map_err(Failure::runtime)
    }
}

impl Files {
    /// A flag and a variable together are a mistake, unless they name the same kind of file: then the flag wins.
    fn chosen(flags: &ArgMatches, environment: &[(OsString, OsString)]) -> Self {
        let named = |flag: &str, variable: &str| {
            let given = flags
                .try_get_one::<PathBuf>(flag)
                .ok()
                .flatten()
                .map(|path| (path.clone(), format!("--{flag}")));
            given.or_else(|| {
                let (_, path) = environment.iter().find(|(name, _)| name == variable)?;
                Some((path.into(), format!("environment {variable}")))
            })
        };
        match (named(FILE, environment::CONFIG_VARIABLE), named(PROPERTIES, environment::PROPERTIES_VARIABLE))
        {
            (None, None) => Self::None,
            (Some((path, _)), None) => Self::Toml(path),
            (None, Some((path, _))) => Self::Properties(path),
            (Some((file, by)), Some((properties, and_by))) => Self::Both(format!(
                "{by} is '{}' and {and_by} is '{}'; give one of them",
                file.display(),
                properties.display()
            )),
        }
    }

    fn read(&self, schema: &Schema) -> Layer {
        let path = match self {
            Self::None => return Layer::default(),
            Self::Both(problem) => return Layer::of_problem(Problem::new(problem.as_str())),
            Self::Toml(path) | Self::Properties(path) => path,
        };
        let content = match source_text::read(path) {
            Ok(content) => content,
            Err(problem) => return Layer::of_problem(problem),
        };
        let file = path.display().to_string();
        match self {
            Self::Properties(_) => properties::read(schema, &file, &content),
            _ => toml_file::read(schema, &file, &content),
        }
    }
}

#[cfg(test)]
mod tests;

//! Which command line arguments are settings.

use super::super::error::{Error, Result};
use super::keys;

/// Command line arguments, sorted.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) settings: Vec<(String, String)>,
    pub(super) file: Option<String>,
    /// What belongs to the job.
    pub(super) rest: Vec<String>,
}

impl Arguments {
    pub(super) fn sort(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut sorted = Self::default();
        while let Some(argument) = args.next() {
            if argument == "--" {
                sorted.rest.extend(args);
                break;
            }
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (argument.as_str(), None),
            };
            let expected = match name {
                "--conf" => "followed by a setting, as in `--conf tidemill.streaming.block_interval=100ms`",
                "--master" => "followed by where to run, as in `--master local[2]`",
                "--name" => "followed by the job's name, as in `--name counts`",
                "--properties-file" => "followed by a file, as in `--properties-file tidemill.toml`",
                _ => {
                    sorted.rest.push(argument);
                    continue;
                }
            };
            let wrong = |value: &str| Error::Setting {
                key: name.to_owned(),
                value: value.to_owned(),
                expected: expected.to_owned(),
            };
            let value = match value {
                Some(value) => value.to_owned(),
                None => args.next().ok_or_else(|| wrong("the last argument"))?,
            };
            match name {
                "--master" => sorted.settings.push((keys::MASTER.name().into(), value)),
                "--name" => sorted.settings.push((keys::APP_NAME.name().into(), value)),
                "--properties-file" => sorted.file = Some(value),
                _ => {
                    let (key, value) = value
                        .split_once('=')
                        .filter(|(key, _)| !key.is_empty())
                        .ok_or_else(|| wrong(&value))?;
                    sorted.settings.push((key.trim().to_owned(), value.to_owned()));
                }
            }
        }
        Ok(sorted)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Conf;
    use super::*;

    fn args(args: &[&str]) -> Result<(Conf, Vec<String>)> {
        Conf::new().with_args(args.iter().copied())
    }

    #[test]
    fn both_forms_of_our_arguments_are_taken_and_the_rest_is_left_in_order() {
        let (conf, rest) = args(&[
            "in.txt",
            "--conf",
            "a.b=c=d",
            "--conf=x.y=",
            "-v",
            "--master=local[2]",
            "--name",
            "count",
            "--confs",
            "--",
            "--conf",
            "--",
        ])
        .unwrap();
        assert_eq!(conf.get("a.b").as_deref(), Some("c=d"));
        assert_eq!(conf.get("x.y").as_deref(), Some(""));
        assert_eq!(conf.get_typed(keys::MASTER).slots, 2);
        assert_eq!(conf.get_typed(keys::APP_NAME), "count");
        assert_eq!(rest, ["in.txt", "-v", "--confs", "--conf", "--"]);
    }

    #[test]
    fn an_argument_without_its_value_is_an_error_that_shows_one() {
        for name in ["--conf", "--master", "--name", "--properties-file"] {
            let error = args(&[name]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("setting `{name}` is the last argument")), "{error}");
        }
        for wrong in ["tidemill.master", "=x", ""] {
            let error = args(&["--conf", wrong]).unwrap_err().to_string();
            assert!(error.contains("--conf tidemill.streaming.block_interval=100ms"), "{error}");
        }
    }
}

//! Where settings come from: a file, the environment, the command line.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::super::error::{Error, Result, Retry};
use super::args::Arguments;
use super::{Conf, Origin, row};

/// The variable that names the settings file.
const FILE_VARIABLE: &str = "TIDEMILL_CONF_FILE";

/// What all variables of tidemill start with.
const PREFIX: &str = "TIDEMILL_";

impl Conf {
    /// All settings of this process: file, environment and command line, and the arguments that are the job's own.
    ///
    /// The file is the one behind `--properties-file`, else the one that the variable `TIDEMILL_CONF_FILE` names, else
    /// none.
    ///
    /// # Errors
    ///
    /// Those of [`with_file`](Self::with_file), [`with_variables`](Self::with_variables) and
    /// [`with_args`](Self::with_args), and [`Error::Setting`] for an argument that is not UTF-8.
    ///
    /// ```no_run
    /// use tidemill::Conf;
    ///
    /// let (conf, arguments) = Conf::load()?;
    /// assert!(conf.get("tidemill.master").is_some());
    /// # drop(arguments);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn load() -> Result<(Self, Vec<String>)> {
        let arguments = env::args_os()
            .skip(1)
            .map(|argument| in_utf8("an argument", argument))
            .collect::<Result<Vec<_>>>()?;
        Self::new().layered(process_variables()?, arguments)
    }

    /// The settings of a file, over the defaults; see [`with_file`](Self::with_file).
    ///
    /// # Errors
    ///
    /// Those of [`with_file`](Self::with_file).
    ///
    /// ```
    /// use tidemill::Conf;
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("tidemill.toml");
    /// std::fs::write(&path, "[tidemill.streaming]\nblock_interval = '50ms'\nconcurrent_jobs = 2\n").unwrap();
    /// let conf = Conf::from_file(&path)?;
    /// assert_eq!(conf.get("tidemill.streaming.concurrent_jobs").as_deref(), Some("2"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        Self::new().with_file(path)
    }

    /// Adds the settings of a TOML file: nested tables are joined with dots.
    ///
    /// A key that is also the beginning of others stands in quotes, as in `"tidemill.memory" = "1g"`.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`] where the file cannot be read, [`Error::Corrupt`] where it is not TOML, [`Error::Setting`] where a
    /// setting is wrong.
    ///
    /// ```
    /// use tidemill::Conf;
    ///
    /// let error = Conf::new().with_file("no/such/file.toml").unwrap_err();
    /// assert_eq!(error.to_string(), "storage: cannot read `no/such/file.toml`");
    /// ```
    pub fn with_file(mut self, path: impl AsRef<Path>) -> Result<Self> {
        self.put_file(&path.as_ref().display().to_string())?;
        Ok(self)
    }

    /// Adds what the process's environment sets; see [`with_variables`](Self::with_variables).
    ///
    /// # Errors
    ///
    /// Those of [`with_variables`](Self::with_variables), and [`Error::Setting`] for a value that is not UTF-8.
    ///
    /// ```no_run
    /// use tidemill::Conf;
    ///
    /// assert!(Conf::new().with_environment()?.get("tidemill.app.name").is_some());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn with_environment(self) -> Result<Self> {
        self.with_variables(process_variables()?)
    }

    /// Adds what variables set, and the file that `TIDEMILL_CONF_FILE` names; variables without `TIDEMILL_` are passed
    /// over.
    ///
    /// A key's variable is the key in capitals with `_` for each dot. Other variables that start with `TIDEMILL_` are
    /// errors, save those that Kubernetes makes for a service of this name.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an unknown variable or a wrong value; those of [`with_file`](Self::with_file).
    ///
    /// ```
    /// use tidemill::Conf;
    ///
    /// let conf = Conf::new().with_variables([("TIDEMILL_STREAMING_BLOCK_INTERVAL", "200ms"), ("HOME", "/root")])?;
    /// assert_eq!(conf.get("tidemill.streaming.block_interval").as_deref(), Some("200ms"));
    /// assert!(Conf::new().with_variables([("TIDEMILL_MASTR", "local")]).is_err());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn with_variables<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Result<Self>
    where
        N: Into<String>,
        V: Into<String>,
    {
        for (name, value) in variables {
            self.put_variable(name.into(), value.into())?;
        }
        Ok(self)
    }

    /// Adds what command line arguments (without the program's name) set, and gives back those that are the job's.
    ///
    /// Taken are `--conf KEY=VALUE`, `--master MASTER`, `--name NAME` and `--properties-file FILE`, each with `=` too.
    /// What is behind `--` is the job's, whatever it says; the `--` itself is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a wrong setting or an argument without its value; those of [`with_file`](Self::with_file).
    ///
    /// ```
    /// use tidemill::Conf;
    ///
    /// let (conf, rest) = Conf::new().with_args(["--master", "local[2]", "localhost", "--", "--name", "x"])?;
    /// assert_eq!(conf.get("tidemill.master").as_deref(), Some("local[2]"));
    /// assert_eq!(rest, ["localhost", "--name", "x"]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn with_args<A: Into<String>>(
        self,
        args: impl IntoIterator<Item = A>,
    ) -> Result<(Self, Vec<String>)> {
        self.with_arguments(Arguments::sort(args.into_iter().map(Into::into))?)
    }

    /// Environment and command line together, where the file of the command line replaces that of the environment.
    pub(super) fn layered<N, V>(
        self,
        variables: impl IntoIterator<Item = (N, V)>,
        args: impl IntoIterator<Item = String>,
    ) -> Result<(Self, Vec<String>)>
    where
        N: Into<String> + AsRef<str>,
        V: Into<String>,
    {
        let arguments = Arguments::sort(args.into_iter())?;
        let replaced = arguments.file.is_some();
        let variables =
            variables.into_iter().filter(|(name, _)| !(replaced && name.as_ref() == FILE_VARIABLE));
        self.with_variables(variables)?.with_arguments(arguments)
    }

    fn with_arguments(mut self, arguments: Arguments) -> Result<(Self, Vec<String>)> {
        if let Some(path) = &arguments.file {
            self.put_file(path)?;
        }
        for (key, value) in arguments.settings {
            self.put(&key, value, Origin::Argument)?;
        }
        Ok((self, arguments.rest))
    }

    fn put_file(&mut self, path: &str) -> Result<()> {
        let text = fs::read_to_string(path).map_err(|error| Error::Storage {
            action: "read",
            path: path.to_owned(),
            retry: Retry::Never,
            source: error.into(),
        })?;
        self.put_toml(path, &text)
    }

    fn put_toml(&mut self, path: &str, text: &str) -> Result<()> {
        let table: toml::Table = text.parse().map_err(|error| not_toml(path, text, &error))?;
        let mut flat = Vec::new();
        flatten(String::new(), toml::Value::Table(table), &mut flat);
        for (key, value) in flat {
            // The error says which file, because that is what there is to mend.
            let in_file = |value| format!("{value} (in {path})");
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
                    value.to_string()
                }
                other => {
                    let expected = "a text, a number or a boolean".into();
                    return Err(Error::Setting { key, value: in_file(other.to_string()), expected });
                }
            };
            self.put(&key, text, Origin::File).map_err(|error| match error {
                Error::Setting { key, value, expected } => {
                    Error::Setting { key, value: in_file(value), expected }
                }
                other => other,
            })?;
        }
        Ok(())
    }

    fn put_variable(&mut self, name: String, value: String) -> Result<()> {
        if name == FILE_VARIABLE {
            return self.put_file(&value);
        }
        if !name.starts_with(PREFIX) || is_of_kubernetes(&name) {
            return Ok(());
        }
        let Some(row) = row::all().find(|row| row.variable() == name) else {
            let known = row::all().map(row::Row::variable).chain([FILE_VARIABLE.to_owned()]);
            let nearest = known.min_by_key(|known| row::distance(&name, known)).unwrap_or_default();
            let expected = format!("spelled `{nearest}`, which is the nearest variable there is");
            return Err(Error::Setting { key: name, value, expected });
        };
        // The error names the variable, because that is what there is to mend.
        self.put(row.key, value, Origin::Environment).map_err(|error| match error {
            Error::Setting { value, expected, .. } => Error::Setting { key: name, value, expected },
            other => other,
        })
    }
}

/// What is wrong with a file, and where.
fn not_toml(path: &str, text: &str, error: &toml::de::Error) -> Error {
    let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
    let message = error.message();
    let hint = if message.contains("dotted key") || message.contains("duplicate key") {
        "; write a key that is also the beginning of others in quotes"
    } else {
        ""
    };
    Error::Corrupt { path: path.to_owned(), reason: format!("line {line}: {message}{hint}") }
}

/// The process's variables that are tidemill's; others may hold what is no text.
fn process_variables() -> Result<Vec<(String, String)>> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, value)| in_utf8(&name, value).map(|value| (name, value)))
        .collect()
}

fn in_utf8(key: &str, text: OsString) -> Result<String> {
    text.into_string().map_err(|text| Error::Setting {
        key: key.to_owned(),
        value: text.to_string_lossy().into_owned(),
        expected: "valid UTF-8".into(),
    })
}

/// Whether Kubernetes makes a variable of this name: it does so in every pod beside a service called `tidemill…`.
fn is_of_kubernetes(name: &str) -> bool {
    let of_a_port =
        name.split_once("_PORT_").is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
    of_a_port || name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || name.ends_with("_PORT")
}

/// The keys of nested tables, joined with dots.
fn flatten(key: String, value: toml::Value, flat: &mut Vec<(String, toml::Value)>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let name = if key.is_empty() { name } else { format!("{key}.{name}") };
                flatten(name, value, flat);
            }
        }
        value => flat.push((key, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::*;

    fn toml(text: &str) -> Result<Conf> {
        let mut conf = Conf::new();
        conf.put_toml("x.toml", text).map(|()| conf)
    }

    #[test]
    fn flat_keys_dotted_keys_and_nested_tables_are_the_same() {
        for text in [
            "'tidemill.streaming.block_interval' = '1s'",
            "tidemill.streaming.block_interval = '1s'",
            "[tidemill.streaming]\nblock_interval = '1s'",
            "[tidemill]\nstreaming.block_interval = '1s'",
            "[spark]\n'streaming.blockInterval' = 1000",
        ] {
            let value = toml(text).unwrap().get_typed(keys::BLOCK_INTERVAL);
            assert_eq!(value, Some(std::time::Duration::from_secs(1)), "{text}");
        }
    }

    #[test]
    fn numbers_and_booleans_need_no_quotes_in_a_file() {
        let conf =
            toml("tidemill.task.max_failures = 2\ntidemill.output.empty_batches = true\njob.factor = 0.5")
                .unwrap();
        assert_eq!(conf.get_typed(keys::MAX_FAILURES), 2);
        assert!(conf.get_typed(keys::EMPTY_BATCHES));
        assert_eq!(conf.get("job.factor").as_deref(), Some("0.5"));
    }

    #[test]
    fn a_list_or_a_date_in_a_file_is_an_error() {
        let error = toml("job.parts = [1, 2]").unwrap_err().to_string();
        assert_eq!(
            error,
            "setting `job.parts` is [1, 2] (in x.toml), but must be a text, a number or a boolean"
        );
        assert!(toml("job.day = 2026-01-01").is_err());
    }

    #[test]
    fn a_file_that_is_not_toml_is_an_error_with_its_line() {
        let error = toml("a = 1\nb =\n").unwrap_err().to_string();
        assert!(error.starts_with("`x.toml` cannot be read: line 2: "), "{error}");
    }

    #[test]
    fn a_key_that_is_the_beginning_of_another_works_in_quotes_and_the_error_says_so() {
        let conf = toml("'tidemill.memory' = '1g'\n[tidemill.memory]\ndisk = '2g'").unwrap();
        assert_eq!((conf.get_typed(keys::MEMORY), conf.get_typed(keys::DISK)), (1 << 30, 2 << 30));
        for text in [
            "tidemill.memory = '1g'\ntidemill.memory.disk = '2g'",
            "[tidemill]\nmemory = '1g'\n[tidemill.memory]\ndisk = '2g'",
        ] {
            let error = toml(text).unwrap_err().to_string();
            assert!(error.ends_with("in quotes"), "{error}");
        }
    }

    #[test]
    fn every_setting_has_a_variable() {
        let (name, value) = ("TIDEMILL_STREAMING_RECEIVER_WRITE_AHEAD_LOG_ENABLE", "true");
        let conf = Conf::new().with_variables([(name, value)]).unwrap();
        assert_eq!(conf.get("spark.streaming.receiver.writeAheadLog.enable").as_deref(), Some("true"));
        let variable = |row: &row::Row| (row.variable(), row.default);
        let conf =
            Conf::new().with_variables(row::all().filter(|row| row.has_effect()).map(variable)).unwrap();
        let unset = conf.settings().filter(|setting| setting.origin != Origin::Environment);
        assert_eq!(unset.map(|setting| setting.key).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn an_unknown_variable_of_ours_is_an_error_that_names_the_nearest() {
        for (wrong, right) in [
            ("TIDEMILL_STREAMING_BLOK_INTERVAL", "TIDEMILL_STREAMING_BLOCK_INTERVAL"),
            ("TIDEMILL_CONF_FILES", "TIDEMILL_CONF_FILE"),
        ] {
            let error = Conf::new().with_variables([(wrong, "1s")]).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("setting `{wrong}` is 1s, but must be spelled `{right}`")),
                "{error}"
            );
        }
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_of_this_name_is_passed_over() {
        let names = [
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_HTTP",
            "PORT",
            "PORT_80_TCP",
            "PORT_80_TCP_ADDR",
            "UI_PORT_80_TCP",
        ];
        let conf = Conf::new()
            .with_variables(names.map(|name| (format!("TIDEMILL_{name}"), "tcp://10.0.0.1:80")))
            .unwrap();
        assert!(conf.settings().all(|setting| setting.origin == Origin::Default));
    }
}

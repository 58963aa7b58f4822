//! Settings of a job: what they are, where they come from, and which one wins.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::{Error, Result};

use self::keys::SettingKey;
use self::kind::Value;
use self::row::Row;

mod kind;
mod master;
mod row;
mod table;
mod spark_only;
pub mod keys;
mod args;
mod load;

pub use self::master::Master;

/// Settings of a job: one text for each key, checked when it is set. Cloning is cheap.
///
/// Settings come from four places. A command line argument wins over the environment, the environment over a file,
/// and a file over the default, in whatever order they are read:
///
/// ```
/// use tidemill::Conf;
///
/// let (conf, rest) = Conf::new().with_args(["--conf", "tidemill.streaming.block_interval=50ms", "input.txt"])?;
/// let conf = conf.with_variables([("TIDEMILL_STREAMING_BLOCK_INTERVAL", "100ms")])?;
/// assert_eq!(conf.get("tidemill.streaming.block_interval").as_deref(), Some("50ms"));
/// assert_eq!(rest, ["input.txt"]);
/// # Ok::<(), tidemill::Error>(())
/// ```
///
/// What the job's code sets takes its place in the order of the calls: it replaces what was read before it, and what
/// is read after it replaces it. So a job gives its own defaults first and has the last word at the end.
///
/// Keys are Spark's with `tidemill.` for `spark.`, in snake case; Spark's own spelling is accepted for all keys of
/// `spark.streaming`. A key that starts with neither is the job's own and is kept as it is.
///
/// ```
/// use tidemill::Conf;
///
/// let conf = Conf::new().set("spark.streaming.blockInterval", "100ms")?.set("shop.country", "nl")?;
/// assert_eq!(conf.get("tidemill.streaming.block_interval").as_deref(), Some("100ms"));
/// assert_eq!(conf.get("shop.country").as_deref(), Some("nl"));
///
/// let error = Conf::new().set("tidemill.streaming.blok_interval", "100ms").unwrap_err();
/// assert!(error.to_string().contains("`tidemill.streaming.block_interval`"));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Conf {
    entries: Arc<BTreeMap<String, Entry>>,
}

/// What was set for one key.
#[derive(Clone, Debug)]
struct Entry {
    /// As it was given.
    text: String,
    /// As it was understood.
    value: Value,
    origin: Origin,
}

/// Where the value of a setting comes from, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A settings file.
    File,
    /// A variable of the environment.
    Environment,
    /// A command line argument.
    Argument,
    /// The job's code.
    Code,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Argument => "argument",
            Self::Code => "code",
        })
    }
}

/// One setting as it stands, for people to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The full key, tidemill's spelling where there is one.
    pub key: String,
    /// The text of its value; none where the job decides, such as a block interval that follows the batch interval.
    pub value: Option<String>,
    /// Where the value comes from.
    pub origin: Origin,
    /// What it means; none for a key of the job's own.
    pub meaning: Option<&'static str>,
    /// Why its default is what it is; none where there is no default.
    pub reason: Option<&'static str>,
}

impl Conf {
    /// The defaults.
    ///
    /// ```
    /// use tidemill::{Conf, keys};
    /// use std::time::Duration;
    ///
    /// assert_eq!(Conf::new().get_typed(keys::BATCH_INTERVAL), Duration::from_secs(1));
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the job runs: `local`, `local[N]`, `local[*]`, `local[N, F]`; see [`Master`]. Default: `local[*]`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for any other text.
    ///
    /// ```
    /// use tidemill::{Conf, keys};
    ///
    /// let conf = Conf::new().master("local[2]")?;
    /// assert_eq!(conf.get_typed(keys::MASTER).slots, 2);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn master(self, master: impl Into<String>) -> Result<Self> {
        self.set(keys::MASTER.name(), master)
    }

    /// The job's name, for people to find it by; not empty. Default: `tidemill`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an empty name.
    ///
    /// ```
    /// use tidemill::{Conf, keys};
    ///
    /// assert_eq!(Conf::new().app_name("word count")?.get_typed(keys::APP_NAME), "word count");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "setAppName")]
    pub fn app_name(self, name: impl Into<String>) -> Result<Self> {
        self.set(keys::APP_NAME.name(), name)
    }

    /// The time from one batch to the next, from a millisecond to a day. Default: a second.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for one that is shorter or longer.
    ///
    /// ```
    /// use tidemill::{Conf, keys};
    /// use std::time::Duration;
    ///
    /// let conf = Conf::new().batch_interval(Duration::from_millis(500))?;
    /// assert_eq!(conf.get_typed(keys::BATCH_INTERVAL), Duration::from_millis(500));
    /// assert!(Conf::new().batch_interval(Duration::ZERO).is_err());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn batch_interval(self, interval: Duration) -> Result<Self> {
        self.set(keys::BATCH_INTERVAL.name(), kind::duration_text(interval))
    }

    /// Whether this context may be active beside another one of the same process. Default: no.
    ///
    /// ```
    /// use tidemill::{Conf, keys};
    ///
    /// assert!(Conf::new().allow_several(true).get_typed(keys::ALLOW_SEVERAL));
    /// ```
    #[doc(alias = "allowMultipleContexts")]
    #[must_use]
    pub fn allow_several(mut self, allow: bool) -> Self {
        let entry = Entry { text: allow.to_string(), value: Value::Bool(allow), origin: Origin::Code };
        self.insert(keys::ALLOW_SEVERAL.name().to_owned(), entry);
        self
    }

    /// Sets one key, after checking both.
    ///
    /// An unknown key of tidemill's is an error that names the nearest one; a key of Spark's that has no effect here
    /// is kept, with a warning in the log.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`], with the key, the value and what would be accepted.
    ///
    /// ```
    /// use tidemill::Conf;
    ///
    /// let error = Conf::new().set("tidemill.streaming.block_interval", "soon").unwrap_err().to_string();
    /// assert!(error.starts_with("setting `tidemill.streaming.block_interval` is soon, but must be a duration"));
    /// ```
    pub fn set(mut self, key: &str, value: impl Into<String>) -> Result<Self> {
        self.put(key, value.into(), Origin::Code)?;
        Ok(self)
    }

    /// The text of one setting, as it was given; tidemill's and Spark's spelling of the key find the same.
    ///
    /// None for what nobody set and has no default.
    ///
    /// ```
    /// use tidemill::Conf;
    ///
    /// let conf = Conf::new();
    /// assert_eq!(conf.get("spark.streaming.concurrentJobs").as_deref(), Some("1"));
    /// assert_eq!(conf.get("tidemill.streaming.remember"), None);
    /// assert_eq!(conf.get("shop.country"), None);
    /// ```
    pub fn get(&self, key: &str) -> Option<String> {
        let row = row::find(key);
        match (self.entries.get(row.map_or(key, |row| row.key)), row) {
            (Some(entry), _) => entry.shown(),
            (None, Some(row)) => row.default_shown(),
            (None, None) => None,
        }
    }

    /// The value of one of tidemill's own settings: the keys stand in [`keys`].
    ///
    /// It cannot fail, because a value is checked when it is set.
    ///
    /// ```
    /// use tidemill::{Conf, keys};
    ///
    /// assert_eq!(Conf::new().get_typed(keys::MAX_FAILURES), 4);
    /// assert_eq!(Conf::new().get_typed(keys::BLOCK_INTERVAL), None);
    /// ```
    pub fn get_typed<T>(&self, key: SettingKey<T>) -> T {
        match self.entries.get(key.name()) {
            Some(entry) => key.read(&entry.value),
            None => key.default(),
        }
    }

    /// All settings that have an effect, and all others that were set, in the order of their keys.
    ///
    /// ```
    /// use tidemill::{Conf, Origin};
    ///
    /// let conf = Conf::new().app_name("word count")?;
    /// let name = conf.settings().find(|setting| setting.key == "tidemill.app.name").unwrap();
    /// assert_eq!((name.value.as_deref(), name.origin), (Some("word count"), Origin::Code));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "getAll")]
    pub fn settings(&self) -> impl Iterator<Item = Setting> + use<> {
        let defaults =
            table::ROWS.iter().map(|row| (row.key.to_owned(), row.default_shown(), Origin::Default));
        let set = self.entries.iter().map(|(key, entry)| (key.clone(), entry.shown(), entry.origin));
        let all: BTreeMap<_, _> = defaults
            .chain(set)
            .map(|(key, value, origin)| {
                let row = row::find(&key);
                let meaning = row.map(|row| row.meaning);
                let reason = row.filter(|row| row.has_effect()).map(|row| row.reason);
                (key.clone(), Setting { key, value, origin, meaning, reason })
            })
            .collect();
        all.into_values()
    }

    /// Checks and keeps a value, unless a stronger place has set the key already.
    fn put(&mut self, key: &str, text: String, origin: Origin) -> Result<()> {
        let (name, value) = match row::find(key) {
            Some(row) => (row.key, understood(row, key, &text)?),
            None if key.starts_with("tidemill.") => {
                let nearest = row::nearest(key);
                let expected = format!("spelled `{nearest}`, which is the nearest key there is");
                return Err(Error::Setting { key: key.to_owned(), value: text, expected });
            }
            None => {
                warn_of_unknown(key);
                (key, Value::Text(text.clone()))
            }
        };
        self.insert(name.to_owned(), Entry { text, value, origin });
        Ok(())
    }

    fn insert(&mut self, key: String, entry: Entry) {
        // Invariant: among file, environment and argument the order of reading does not matter; code is in the order
        // of its calls.
        let stronger =
            self.entries.get(&key).is_some_and(|old| old.origin > entry.origin && old.origin != Origin::Code);
        if !stronger {
            Arc::make_mut(&mut self.entries).insert(key, entry);
        }
    }
}

impl Entry {
    fn shown(&self) -> Option<String> {
        (!matches!(self.value, Value::None)).then(|| self.text.clone())
    }
}

/// The value behind a text; a warning where it is without effect.
fn understood(row: &Row, key: &str, text: &str) -> Result<Value> {
    let value = row.parse(text).ok_or_else(|| Error::Setting {
        key: key.to_owned(),
        value: text.to_owned(),
        expected: row.expected(text),
    })?;
    if !row.has_effect() {
        tracing::warn!(key, value = text, reason = row.meaning, "this setting has no effect in tidemill");
    }
    Ok(value)
}

fn warn_of_unknown(key: &str) {
    if key.starts_with("spark.") {
        let nearest = row::nearest(key);
        tracing::warn!(key, nearest, "tidemill does not know this setting of Spark, so it has no effect");
    } else if let Some(row) = row::find(&format!("tidemill.{key}")) {
        tracing::warn!(key, "a setting of the job's own; tidemill's key is `{}`", row.key);
    }
}

#[cfg(test)]
mod tests;

//! Where a job runs.

use std::str::FromStr;
use std::thread;

use super::super::error::{Error, Result};

/// Most tasks at a time: each has a thread, and no machine has more processors.
const SLOTS_MAX: usize = 4096;

/// Where a job runs: in this process, with so many tasks at a time.
///
/// ```
/// use tidemill::Master;
///
/// let master: Master = "local[2]".parse()?;
/// assert_eq!(master, Master { slots: 2, max_failures: None });
///
/// let error = "yarn".parse::<Master>().unwrap_err().to_string();
/// assert!(error.contains("write `local[*]`"), "{error}");
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Master {
    /// How many tasks run at a time, 1 to 4096. Receivers take none of them.
    pub slots: usize,
    /// How often a task is tried, at least once; none where `tidemill.task.max_failures` says it.
    pub max_failures: Option<u32>,
}

impl Master {
    pub(super) const EXPECTED: &'static str = "`local` (one task at a time), `local[N]` (N tasks, 1 to 4096), `local[*]` \
         (as many as there are processors) or `local[N, F]` (each task tried F times)";

    /// None for what is not understood.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "local" {
            return Some(Self { slots: 1, max_failures: None });
        }
        let inside = text.strip_prefix("local[")?.strip_suffix(']')?;
        let (slots, max_failures) = match inside.split_once(',') {
            Some((slots, failures)) => (slots.trim(), Some(failures.trim().parse().ok().filter(|n| *n > 0)?)),
            None => (inside.trim(), None),
        };
        let slots = match slots {
            // Where the system does not tell, one at a time is slow but right.
            "*" => thread::available_parallelism().map_or(1, usize::from).min(SLOTS_MAX),
            number => number.parse().ok().filter(|n| (1..=SLOTS_MAX).contains(n))?,
        };
        Some(Self { slots, max_failures })
    }

    /// What to write instead of `text`, in words.
    pub(super) fn expected(text: &str) -> String {
        let cluster = ["spark://", "yarn", "k8s://", "mesos://", "local-cluster"];
        let of_a_cluster = cluster.iter().any(|start| text.trim().starts_with(start));
        let hint = if of_a_cluster {
            "; tidemill runs in this process and asks no cluster manager: write `local[*]`"
        } else {
            ""
        };
        format!("{}{hint}", Self::EXPECTED)
    }
}

impl FromStr for Master {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::read(text).ok_or_else(|| Error::Setting {
            key: "tidemill.master".into(),
            value: text.into(),
            expected: Self::expected(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_forms_are_understood() {
        let all = thread::available_parallelism().unwrap().get();
        for (text, slots, max_failures) in [
            ("local", 1, None),
            ("local[1]", 1, None),
            ("local[16]", 16, None),
            ("local[*]", all, None),
            ("local[2,3]", 2, Some(3)),
            ("local[2, 1]", 2, Some(1)),
            ("local[ * , 8 ]", all, Some(8)),
            (" local[4096] ", 4096, None),
        ] {
            assert_eq!(text.parse::<Master>().unwrap(), Master { slots, max_failures }, "{text}");
        }
    }

    #[test]
    fn anything_else_is_an_error_that_names_what_is_accepted() {
        for text in [
            "",
            "Local",
            "local[]",
            "local[0]",
            "local[4097]",
            "local[-1]",
            "local[2",
            "local[2, 0]",
            "local[2,*]",
            "local[1,2,3]",
        ] {
            let error = text.parse::<Master>().unwrap_err().to_string();
            assert!(error.contains("`local[N, F]`"), "{error}");
            assert!(!error.contains("cluster manager"), "{error}");
        }
    }

    #[test]
    fn a_cluster_manager_is_an_error_that_says_what_to_write_instead() {
        for text in [
            "spark://host:7077",
            "yarn",
            "yarn-client",
            "k8s://https://host:443",
            "mesos://host:5050",
            "local-cluster[2,1,1024]",
        ] {
            let error = text.parse::<Master>().unwrap_err().to_string();
            assert!(error.contains("runs in this process"), "{error}");
            assert!(error.ends_with("write `local[*]`"), "{error}");
        }
    }
}

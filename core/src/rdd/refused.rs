//! An Rdd of an operator that was called with an argument it cannot have.

use std::fmt::Display;
use std::sync::Arc;

use super::node::{Node, Part};
use super::{Job, Rdd};
use crate::runtime::{Site, TaskContext};
use crate::words::{Error, Result};

/// Says what is wrong once somebody wants the elements: operators return an Rdd and no error, so that they chain.
struct Refused {
    argument: String,
    value: String,
    expected: &'static str,
}

impl Refused {
    fn new(site: Site, argument: &str, value: impl Display, expected: &'static str) -> Self {
        Self { argument: format!("{argument} of {site}"), value: value.to_string(), expected }
    }

    fn error(&self) -> Error {
        Error::Setting {
            key: self.argument.clone(),
            value: self.value.clone(),
            expected: self.expected.into(),
        }
    }
}

/// Says that the operator at `site` was asked for no partitions.
pub(super) fn no_partitions(site: Site) -> Error {
    Refused::new(site, "partitions", 0, "1 or more").error()
}

impl<T> Rdd<T> {
    /// What the operator at `site` gives for an `argument` that must be something else: every action fails.
    pub(super) fn refuse<U>(
        &self,
        site: Site,
        argument: &str,
        value: impl Display,
        expected: &'static str,
    ) -> Rdd<U> {
        self.then(Refused::new(site, argument, value, expected))
    }
}

impl<T> Node<T> for Refused {
    fn partitions(&self) -> usize {
        0
    }

    fn owner(&self, _partition: usize, _members: u32) -> u32 {
        0
    }

    fn prepare(&self, _job: &Arc<Job>) -> Result<()> {
        Err(self.error())
    }

    fn open(&self, _partition: usize, _task: &TaskContext) -> Result<Part<T>> {
        Err(self.error())
    }
}

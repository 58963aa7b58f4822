//! What the ledger knows of an operator that remembers something: who it is, and what a batch adds to it.

use serde::{Deserialize, Serialize};

/// What is written down of an operator, so that another build of the job knows whether it may go on with its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// The operator, as in `map_with_state`.
    pub(crate) kind: String,
    /// The version of what is kept: [`StateSpec::version`](super::StateSpec::version).
    pub(crate) version: u32,
    /// In how many partitions it is kept, where that is fixed for good.
    pub(crate) partitions: Option<u32>,
    /// The [short name](short_name) of its keys' type, where it has keys of the user's.
    pub(crate) key: Option<String>,
    /// That of its states, or of the values or records of a window.
    pub(crate) value: Option<String>,
}

/// The name of a type as in `Vec<Option<Text>>`, of the full name that [`type_name`](std::any::type_name) gives: each path
/// is its last part.
///
/// It is a guard against a type that was changed by mistake, and no promise: two types may have the same one, and another
/// compiler may give another one, so what differs only by it can be accepted.
pub(crate) fn short_name(full: &str) -> String {
    let mut short = String::with_capacity(full.len());
    // Where the path that is read began.
    let mut path = 0;
    let mut letters = full.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == ':' && letters.next_if_eq(&':').is_some() {
            short.truncate(path);
            continue;
        }
        short.push(letter);
        if !(letter.is_alphanumeric() || letter == '_') {
            path = short.len();
        }
    }
    short
}

/// What a batch adds to an operator, as one of its tasks has written it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delta {
    /// The partition that it belongs to.
    pub(crate) partition: u32,
    /// Only the operator reads them; for states they are [`Changes`](super::Changes).
    pub(crate) bytes: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use std::any::type_name;

    use super::*;
    use crate::data::Text;

    #[test]
    fn a_short_name_has_the_last_part_of_each_path() {
        assert_eq!(short_name(type_name::<u64>()), "u64");
        assert_eq!(short_name(type_name::<Text>()), "Text");
        assert_eq!(
            short_name(type_name::<(Vec<Option<Text>>, [String; 2])>()),
            "(Vec<Option<Text>>, [String; 2])"
        );
        assert_eq!(short_name(type_name::<std::collections::BTreeMap<i32, u8>>()), "BTreeMap<i32, u8>");
    }
}

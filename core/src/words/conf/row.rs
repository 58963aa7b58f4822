//! One known setting, and how a key finds it.

use super::kind::{Kind, Value};
use super::{spark_only, table};

/// One known setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Ours: Spark's with `tidemill.` for `spark.`, in snake case.
    pub(super) key: &'static str,
    /// Spark's spelling, the current one first.
    pub(super) spark: &'static [&'static str],
    pub(super) kind: Kind,
    /// As it would be written; `none` where the key may have no value, nothing where it has no effect.
    pub(super) default: &'static str,
    /// In a sentence: what it does, or why it has no effect.
    pub(super) meaning: &'static str,
    /// In a sentence: why this default.
    pub(super) reason: &'static str,
}

/// How `no value` is written.
pub(super) const NONE: &str = "none";

impl Row {
    /// Whether anything looks at it.
    pub(super) const fn has_effect(&self) -> bool {
        !self.default.is_empty()
    }

    /// Whether it may have no value.
    pub(super) const fn is_optional(&self) -> bool {
        same(self.default, NONE)
    }

    /// None for what is not understood or out of bounds.
    pub(super) fn parse(&self, text: &str) -> Option<Value> {
        if self.is_optional() && text.trim().eq_ignore_ascii_case(NONE) {
            return Some(Value::None);
        }
        self.kind.parse(text)
    }

    /// What is accepted, in words.
    pub(super) fn expected(&self, text: &str) -> String {
        let expected = self.kind.expected(text);
        if self.is_optional() { format!("{expected}, or `{NONE}`") } else { expected }
    }

    /// The default as people see it.
    pub(super) fn default_shown(&self) -> Option<String> {
        (self.has_effect() && !self.is_optional()).then(|| self.default.to_owned())
    }

    /// The variable of the environment that sets it.
    pub(super) fn variable(&self) -> String {
        self.key.to_ascii_uppercase().replace('.', "_")
    }
}

/// All known settings.
pub(super) fn all() -> impl Iterator<Item = &'static Row> {
    table::ROWS.iter().chain(spark_only::ROWS)
}

/// The setting behind a key in either spelling.
pub(super) fn find(key: &str) -> Option<&'static Row> {
    all().find(|row| row.key == key || row.spark.contains(&key))
}

/// The known key that looks most like `key`, in the same spelling.
pub(super) fn nearest(key: &str) -> &'static str {
    let spellings = |row: &'static Row| std::iter::once(row.key).chain(row.spark.iter().copied());
    let prefix = if key.starts_with("spark.") { "spark." } else { "tidemill." };
    let known = all().flat_map(spellings).filter(|known| known.starts_with(prefix));
    known.min_by_key(|known| distance(key, known)).unwrap_or(table::ROWS[0].key)
}

/// How many letters must be added, taken away or exchanged to make one text the other.
pub(super) fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut costs: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.chars().enumerate() {
        let mut diagonal = costs[0];
        costs[0] = row + 1;
        for (column, other) in to.iter().enumerate() {
            let exchanged = diagonal + usize::from(letter != *other);
            diagonal = costs[column + 1];
            costs[column + 1] = exchanged.min(diagonal + 1).min(costs[column] + 1);
        }
    }
    costs[to.len()]
}

/// `==` of texts at compile time.
pub(super) const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_distance_counts_added_missing_and_wrong_letters() {
        for (from, to, count) in
            [("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("abc", "adc", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(from, to), count, "{from} {to}");
        }
    }

    #[test]
    fn no_two_settings_share_a_key_or_a_variable() {
        let mut seen = BTreeSet::new();
        for row in all() {
            assert!(seen.insert(row.key.to_owned()), "{}", row.key);
            assert!(seen.insert(row.variable()), "{}", row.key);
            for spark in row.spark {
                assert!(seen.insert((*spark).to_owned()), "{spark}");
            }
        }
    }

    #[test]
    fn our_keys_are_sparks_in_snake_case() {
        // Spark has these two under rooms that tidemill does not have.
        let renamed =
            ["spark.driver.allowMultipleContexts", "spark.scheduler.listenerbus.eventqueue.capacity"];
        for row in all() {
            let Some(spark) = row.spark.first().filter(|spark| !renamed.contains(spark)) else { continue };
            let mut ours = String::new();
            for letter in spark.replacen("spark.", "tidemill.", 1).chars() {
                if letter.is_ascii_uppercase() {
                    ours.push('_');
                }
                ours.push(letter.to_ascii_lowercase());
            }
            assert_eq!(row.key, ours);
        }
    }

    #[test]
    fn every_default_is_a_value_of_its_kind() {
        for row in all().filter(|row| row.has_effect()) {
            assert!(row.parse(row.default).is_some(), "{row:?}");
        }
    }

    #[test]
    fn texts_for_people_are_sentences() {
        for row in all() {
            assert!(row.meaning.ends_with('.') && !row.meaning.contains('|'), "{row:?}");
            assert!(row.reason.is_empty() != row.has_effect(), "{row:?}");
            assert!(
                row.reason.is_empty() || row.reason.ends_with('.') && !row.reason.contains('|'),
                "{row:?}"
            );
        }
    }
}

//! Licence expressions, as far as crates use them: names, `WITH`, `AND`, `OR`, brackets, and the old `/` for `OR`.

use anyhow::{Result, bail};

/// Whether `expression` can be met with licences of `allowed` alone.
///
/// # Errors
/// Where it is no expression.
pub(crate) fn is_met(expression: &str, allowed: &[String]) -> Result<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, allowed };
    let met = parser.any();
    match (met, parser.words) {
        (Some(met), []) => Ok(met),
        _ => bail!("`{expression}` is no licence expression"),
    }
}

struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a [String],
}

// Both sides are always read, even where the first one decides.
impl Parser<'_> {
    fn any(&mut self) -> Option<bool> {
        let mut met = self.all()?;
        while self.take("OR") {
            met |= self.all()?;
        }
        Some(met)
    }

    fn all(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.take("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let met = self.any()?;
            return self.take(")").then_some(met);
        }
        let mut name = self.name()?.to_owned();
        if self.take("WITH") {
            name = format!("{name} WITH {}", self.name()?);
        }
        Some(self.allowed.contains(&name))
    }

    fn name(&mut self) -> Option<&str> {
        let (name, rest) = self.words.split_first()?;
        if ["(", ")", "AND", "OR", "WITH"].contains(name) {
            return None;
        }
        self.words = rest;
        Some(name)
    }

    fn take(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == word => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(expression: &str) -> bool {
        is_met(expression, &["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(String::from)).unwrap()
    }

    #[test]
    fn one_licence_of_an_or_is_enough_and_an_and_needs_both() {
        assert!(met("MIT"));
        assert!(!met("GPL-3.0"));
        assert!(met("GPL-3.0 OR MIT"));
        assert!(met("GPL-3.0/MIT"));
        assert!(!met("GPL-3.0 AND MIT"));
        assert!(met("MIT AND ISC"));
    }

    #[test]
    fn and_binds_more_than_or_and_brackets_more_than_both() {
        assert!(met("MIT OR GPL-3.0 AND AGPL-3.0"));
        assert!(!met("(MIT OR GPL-3.0) AND AGPL-3.0"));
        assert!(met("(GPL-3.0 OR MIT) AND ISC"));
    }

    #[test]
    fn an_exception_belongs_to_its_licence() {
        assert!(met("Apache-2.0 WITH LLVM-exception"));
        assert!(!met("Apache-2.0"));
        assert!(!met("MIT WITH LLVM-exception"));
    }

    #[test]
    fn what_is_no_expression_is_an_error() {
        for wrong in ["", "MIT OR", "MIT ISC", "(MIT", "MIT)", "AND", "MIT WITH"] {
            assert!(is_met(wrong, &["MIT".into()]).is_err(), "{wrong}");
        }
    }
}

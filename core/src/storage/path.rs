//! What a path of an object may look like.

use crate::words::{Error, Result, Retry};

/// Checks the path of an object; every storage does so before it touches anything.
///
/// Parts are separated by `/`. A part is not empty, does not start with `.` (so there is no `..`, and a storage may
/// hide its temporary objects behind a dot), and holds neither `\` nor a control character.
///
/// # Errors
/// [`Error::Storage`] that says what is wrong with it.
///
/// # Examples
///
/// ```
/// use tidemill::check_storage_path;
///
/// assert!(check_storage_path("counts-1000/part-00000").is_ok());
/// assert!(check_storage_path("../secrets").is_err());
/// assert!(check_storage_path("/etc/passwd").is_err());
/// ```
pub fn check_storage_path(path: &str) -> Result<()> {
    if path.split('/').all(is_name) {
        return Ok(());
    }
    Err(Error::Storage {
        action: "use the path",
        path: path.into(),
        retry: Retry::Never,
        source: "a path is relative, and no part of it is empty, starts with `.`, or holds `\\` or a control character"
            .into(),
    })
}

/// Whether this can be one part of a path.
pub(super) fn is_name(part: &str) -> bool {
    !part.is_empty() && !part.starts_with('.') && !part.contains(|c: char| c == '\\' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_root_or_hides_in_it() {
        for path in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.b", "a\\b", "a\0b", "a\nb"] {
            assert!(check_storage_path(path).is_err(), "{path:?}");
        }
        for path in ["a", "a/b", "a..b", "_staged/1-2", "tide ü/0"] {
            assert!(check_storage_path(path).is_ok(), "{path:?}");
        }
    }
}

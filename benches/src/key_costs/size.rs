//! What a folder takes on disk.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context, Result};

/// Makes `folder` an empty one.
pub(super) fn make_empty(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(folder),
    }
    .with_context(|| format!("making {} empty", folder.display()))
}

/// Bytes of all files below `folder`; one with several names counts once. A folder that is not there is empty.
pub(super) fn bytes_of(folder: &Path) -> Result<u64> {
    let (mut seen, mut bytes, mut left) = (HashSet::new(), 0, vec![folder.to_path_buf()]);
    while let Some(folder) = left.pop() {
        let entries = match fs::read_dir(&folder) {
            // A job that runs removes what it needs no longer.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("reading {}", folder.display()))?,
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
            match entry.metadata() {
                Ok(found) if found.is_dir() => left.push(entry.path()),
                Ok(found) if seen.insert((found.dev(), found.ino())) => bytes += found.len(),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("looking at {}", entry.path().display()));
                }
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once_and_folders_are_looked_into() {
        let folder = std::env::temp_dir().join(format!("tidemill-size-{}", std::process::id()));
        make_empty(&folder).unwrap();
        fs::create_dir(folder.join("below")).unwrap();
        fs::write(folder.join("a"), [0; 100]).unwrap();
        fs::hard_link(folder.join("a"), folder.join("below/b")).unwrap();
        fs::write(folder.join("below/c"), [0; 10]).unwrap();
        assert_eq!(bytes_of(&folder).unwrap(), 110);
        make_empty(&folder).unwrap();
        assert_eq!(bytes_of(&folder).unwrap(), 0);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(bytes_of(&folder).unwrap(), 0);
    }
}

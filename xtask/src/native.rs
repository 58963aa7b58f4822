//! `cargo xtask native`: RocksDB's C++ is compiled once, whatever is built with it afterwards.
//!
//! It takes a multiple of all other builds. Left to its build script it would be compiled for each target directory and each
//! profile anew. So `.cargo/config.toml` points all builds of this workspace at the library that is made here; checks,
//! lints and documentation do not even need it to be there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml::Value;

use crate::cargo::{self, Metadata, command, succeed};

/// The package whose build script compiles it.
const PACKAGE: &str = "librocksdb-sys";
const LIBRARY: &str = "librocksdb.a";

/// Compiles the library, unless that was done.
pub(crate) fn build() -> Result<()> {
    let root = cargo::root()?;
    let metadata = Metadata::of_host()?;
    let Some(package) = metadata.packages.iter().find(|package| package.name == PACKAGE) else {
        bail!("{PACKAGE} is no dependency any more: this command and its step can go");
    };
    let manifest = fs::read_to_string(root.join("Cargo.toml")).context("Cargo.toml")?;
    let folder = folder_of(&package.version, &manifest)?;
    let wanted = root.join("target").join(&folder).join(LIBRARY);
    // Builds of a clone may be kept elsewhere, where the next clone finds them.
    let stored = metadata.target_directory.join(&folder).join(LIBRARY);
    if !wanted.exists() {
        if !stored.exists() {
            compile(&metadata.target_directory.join("native/build"), &stored)?;
        }
        if stored != wanted {
            place(&stored, &wanted)?;
        }
    }
    println!("RocksDB {} is compiled: {}", package.version, wanted.display());
    Ok(())
}

/// Where the library is, below the target directory: by version, and by what is compiled into it.
fn folder_of(version: &str, manifest: &str) -> Result<String> {
    let manifest = Value::Table(manifest.parse().context("Cargo.toml")?);
    let dependency = ["workspace", "dependencies", "rocksdb", "features"];
    let features = dependency
        .iter()
        .try_fold(&manifest, |value, key| value.get(key))
        .and_then(Value::as_array)
        .context("Cargo.toml names no features of rocksdb")?;
    let compiled =
        features.iter().filter_map(Value::as_str).filter(|feature| !feature.starts_with("bindgen"));
    let name: Vec<&str> = std::iter::once(version).chain(compiled).collect();
    Ok(format!("native/rocksdb-{}", name.join("-")))
}

/// Compiles in a target directory of its own, which is removed: the objects are ten times the library.
fn compile(target: &Path, to: &Path) -> Result<()> {
    println!("compiling RocksDB, which takes about twenty minutes on two cores, and only once");
    let target_text = target.to_str().context("the target directory's name is no text")?;
    let args = ["build", "--locked", "-p", PACKAGE, "--target-dir", target_text];
    // The build script then compiles, wherever the configuration says that the library is.
    succeed(command("cargo", &args)?.env("ROCKSDB_COMPILE", "1"))?;
    let made = made_in(&target.join("debug/build"))?.context("the build made no library")?;
    place(&made, to)?;
    fs::remove_dir_all(target).with_context(|| format!("cannot remove `{}`", target.display()))
}

fn made_in(builds: &Path) -> Result<Option<PathBuf>> {
    let listed = fs::read_dir(builds).with_context(|| format!("cannot list `{}`", builds.display()))?;
    for build in listed {
        let made = build?.path().join("out").join(LIBRARY);
        if made.exists() {
            return Ok(Some(made));
        }
    }
    Ok(None)
}

/// Puts the file there as a whole: a link where that is possible, else a copy.
fn place(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("cannot put the library to `{}`", to.display());
    let folder = to.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(failed)?;
    let beside = to.with_extension("new");
    let put = || -> io::Result<()> {
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if fs::hard_link(from, &beside).is_err() {
            fs::copy(from, &beside)?;
        }
        fs::rename(&beside, to)
    };
    put().with_context(failed)
}

#[cfg(test)]
mod tests {
    use toml::Table;

    use super::*;

    #[test]
    fn builds_look_for_the_library_where_it_is_put() {
        let root = cargo::root().unwrap();
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        let lock: Table = read("Cargo.lock").parse().unwrap();
        let version = lock["package"]
            .as_array()
            .unwrap()
            .iter()
            .find(|package| package["name"].as_str() == Some(PACKAGE))
            .and_then(|package| package["version"].as_str())
            .unwrap();

        let config: Table = read(".cargo/config.toml").parse().unwrap();

        let folder = folder_of(version, &read("Cargo.toml")).unwrap();
        let place = &config["env"]["ROCKSDB_LIB_DIR"];
        assert_eq!(place["value"].as_str(), Some(format!("target/{folder}").as_str()));
        assert_eq!(place["relative"].as_bool(), Some(true));
        assert_eq!(config["env"]["ROCKSDB_STATIC"].as_str(), Some("1"));
    }

    #[test]
    fn another_version_or_feature_is_another_library() {
        let manifest = |features: &str| {
            format!("[workspace.dependencies]\nrocksdb = {{ version = \"1\", features = [{features}] }}\n")
        };
        let folder = |version, features| folder_of(version, &manifest(features)).unwrap();
        assert_eq!(folder("1.0+2", "\"lz4\", \"bindgen-runtime\""), "native/rocksdb-1.0+2-lz4");
        assert_eq!(folder("1.0+3", "\"lz4\", \"zstd\""), "native/rocksdb-1.0+3-lz4-zstd");
        assert!(folder_of("1", "[workspace.dependencies]\n").is_err());
    }
}

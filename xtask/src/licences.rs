//! Step `licences`: licences, bans and sources of all dependencies, by the rules of `deny.toml`.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::cargo::{self, Metadata, Package};
use crate::spdx;

/// Checks all packages that are built on the platforms of `deny.toml`, dev-dependencies included.
pub(crate) fn check() -> Result<()> {
    let path = cargo::root()?.join("deny.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let rules = Rules::parse(&text).context("deny.toml")?;
    let packages = Metadata::of_targets(&rules.targets)?.packages;
    let faults = rules.faults(&packages);
    for fault in &faults {
        println!("  {fault}");
    }
    if !faults.is_empty() {
        bail!("{} of {} packages break a rule of deny.toml", faults.len(), packages.len());
    }
    println!("{} packages keep the rules of deny.toml", packages.len());
    Ok(())
}

/// What `deny.toml` says, in `cargo deny`'s format. A key that is not read here is an error: it would look as if it counted.
#[derive(Debug)]
struct Rules {
    targets: Vec<String>,
    licences: Vec<String>,
    bans: Vec<Ban>,
}

#[derive(Debug)]
struct Ban {
    name: String,
    /// Packages that may depend on it all the same.
    wrappers: Vec<String>,
    reason: String,
}

impl Rules {
    fn parse(text: &str) -> Result<Self> {
        let file: Table = text.parse().context("no TOML")?;
        only(&file, &["graph", "licenses", "bans", "sources"])?;
        let graph = section(&file, "graph", &["targets"])?;
        let licenses = section(&file, "licenses", &["allow"])?;
        let bans = section(&file, "bans", &["multiple-versions", "deny"])?;
        let sources = section(&file, "sources", &["unknown-registry", "unknown-git"])?;
        demand(bans, "multiple-versions", "allow")?;
        demand(sources, "unknown-registry", "deny")?;
        demand(sources, "unknown-git", "deny")?;
        let denied = bans.get("deny").and_then(Value::as_array).context("`bans.deny` must be a list")?;
        Ok(Self {
            targets: texts(graph, "targets")?,
            licences: texts(licenses, "allow")?,
            bans: denied.iter().map(Ban::parse).collect::<Result<_>>()?,
        })
    }

    fn faults(&self, packages: &[Package]) -> Vec<String> {
        let mut faults = BTreeSet::new();
        // The registry of dependencies that name none is cargo's default one.
        let default_registry = packages
            .iter()
            .filter(|package| package.member)
            .find_map(|member| member.default_registry.as_deref());
        for package in packages {
            let named = format!("{} {}", package.name, package.version);
            match package.license.as_deref().map(|licence| (licence, spdx::is_met(licence, &self.licences))) {
                Some((_, Ok(true))) => {}
                Some((licence, Ok(false))) => {
                    faults.insert(format!("{named}: its licence `{licence}` is not allowed"));
                }
                Some((_, Err(error))) => {
                    faults.insert(format!("{named}: {error}"));
                }
                None => {
                    faults.insert(format!("{named}: it names no licence"));
                }
            }
            match package.source.as_deref() {
                source @ Some(_) if source == default_registry => {}
                Some(source) => {
                    faults.insert(format!(
                        "{named}: it comes from `{source}`, which is not the default registry"
                    ));
                }
                None if package.member => {}
                None => {
                    faults.insert(format!("{named}: it comes from a folder outside the workspace"));
                }
            }
            for dependency in &package.dependencies {
                let ban = self.bans.iter().find(|ban| ban.name == *dependency);
                if let Some(ban) = ban.filter(|ban| !ban.wrappers.contains(&package.name)) {
                    faults.insert(format!(
                        "{named}: it depends on {dependency}, which is banned: {}",
                        ban.reason
                    ));
                }
            }
        }
        faults.into_iter().collect()
    }
}

impl Ban {
    fn parse(value: &Value) -> Result<Self> {
        let entry = value.as_table().context("an entry of `bans.deny` must be a table")?;
        only(entry, &["crate", "wrappers", "reason"])?;
        let text = |key: &str| {
            let value = entry.get(key).and_then(Value::as_str);
            value.map(str::to_owned).with_context(|| format!("an entry of `bans.deny` has no `{key}`"))
        };
        let wrappers = if entry.contains_key("wrappers") { texts(entry, "wrappers")? } else { Vec::new() };
        Ok(Self { name: text("crate")?, wrappers, reason: text("reason")? })
    }
}

fn section<'a>(file: &'a Table, name: &str, keys: &[&str]) -> Result<&'a Table> {
    let table = file.get(name).and_then(Value::as_table).with_context(|| format!("`[{name}]` is missing"))?;
    only(table, keys).with_context(|| format!("`[{name}]`"))?;
    Ok(table)
}

fn only(table: &Table, keys: &[&str]) -> Result<()> {
    match table.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => bail!("`{key}` is a key that this check does not read; it reads {}", keys.join(", ")),
        None => Ok(()),
    }
}

fn demand(table: &Table, key: &str, value: &str) -> Result<()> {
    match table.get(key).and_then(Value::as_str) {
        Some(given) if given == value => Ok(()),
        _ => bail!("`{key}` must be \"{value}\": this check knows no other rule"),
    }
}

fn texts(table: &Table, key: &str) -> Result<Vec<String>> {
    let list = table.get(key).and_then(Value::as_array).with_context(|| format!("`{key}` must be a list"))?;
    let texts = list.iter().map(|value| value.as_str().map(str::to_owned));
    texts.collect::<Option<_>>().with_context(|| format!("`{key}` must be a list of texts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
        [graph]
        targets = ["x"]
        [licenses]
        allow = ["MIT"]
        [bans]
        multiple-versions = "allow"
        deny = [
            { crate = "openssl-sys", reason = "no" },
            { crate = "mimalloc", wrappers = ["benches"], reason = "only there" },
        ]
        [sources]
        unknown-registry = "deny"
        unknown-git = "deny"
    "#;

    fn faults(change: impl FnOnce(&mut Package)) -> Vec<String> {
        let member = Package {
            name: "job".into(),
            version: "1.0.0".into(),
            license: Some("MIT".into()),
            member: true,
            default_registry: Some("registry+r".into()),
            ..Package::default()
        };
        let mut other = Package {
            name: "other".into(),
            version: "2.0.0".into(),
            license: Some("MIT OR GPL-3.0".into()),
            source: Some("registry+r".into()),
            ..Package::default()
        };
        change(&mut other);
        Rules::parse(RULES).unwrap().faults(&[member, other])
    }

    #[test]
    fn a_package_of_the_default_registry_with_an_allowed_licence_passes() {
        assert!(faults(|_| ()).is_empty());
    }

    #[test]
    fn a_licence_that_is_not_allowed_missing_or_unreadable_is_a_fault() {
        for licence in [Some("GPL-3.0"), Some("MIT AND GPL-3.0"), Some("MIT ISC"), None] {
            let found = faults(|package| package.license = licence.map(str::to_owned));
            assert_eq!(found.len(), 1, "{licence:?}: {found:?}");
        }
    }

    #[test]
    fn another_registry_git_and_a_folder_outside_are_faults() {
        for source in [Some("registry+other"), Some("sparse+r"), Some("git+x"), None] {
            let found = faults(|package| package.source = source.map(str::to_owned));
            assert_eq!(found.len(), 1, "{source:?}: {found:?}");
        }
    }

    #[test]
    fn a_banned_crate_is_a_fault_except_below_its_wrappers() {
        assert_eq!(faults(|package| package.dependencies = vec!["openssl-sys".into()]).len(), 1);
        assert_eq!(faults(|package| package.dependencies = vec!["mimalloc".into()]).len(), 1);
        let below_its_wrapper = faults(|package| {
            package.name = "benches".into();
            package.dependencies = vec!["mimalloc".into()];
        });
        assert!(below_its_wrapper.is_empty(), "{below_its_wrapper:?}");
    }

    #[test]
    fn a_key_that_would_not_count_is_an_error() {
        for (from, to) in [
            ("allow = [", "exceptions = []\nallow = ["),
            ("reason = \"no\"", "version = \"1\", reason = \"no\""),
            ("unknown-git = \"deny\"", "unknown-git = \"allow\""),
            ("[graph]", "[advisories]\n[graph]"),
        ] {
            assert!(RULES.contains(from));
            assert!(Rules::parse(&RULES.replace(from, to)).is_err(), "{to}");
        }
    }
}

//! Step `light`: core stays light, and the main job needs no C build.

use anyhow::{Result, bail};

use crate::cargo::{Metadata, output};

const CORE: &str = "tidemill";
const EXAMPLES: &str = "tidemill-examples";

/// Systems, servers and clusters live in crates beside core. A word stands for all crates with it in their names.
const NOT_IN_CORE: &[&str] = &["rdkafka", "rocksdb", "librocksdb", "aws", "hyper", "axum", "timely"];

/// What a build script takes to compile C or C++, or to find a library of the system.
const C_BUILDERS: &[&str] = &["autotools", "bindgen", "cc", "cmake", "pkg-config", "vcpkg"];

/// Crates whose `links` only keeps a second version out of a program.
const LINKS_NOTHING: &[&str] = &["rayon-core"];

/// Looks at the trees of core, of the examples, and of the default members where the workspace names them.
pub(crate) fn check() -> Result<()> {
    let metadata = Metadata::of_host()?;
    let linking: Vec<&str> = metadata
        .packages
        .iter()
        .filter(|package| package.links.is_some())
        .map(|package| package.name.as_str())
        .collect();
    let chosen = metadata.members().any(|package| !package.default_member);
    let mut faults = Vec::new();
    for member in metadata.members() {
        let core = member.name == CORE;
        if !core && member.name != EXAMPLES && !(chosen && member.default_member) {
            continue;
        }
        if core {
            faults.extend(heavy(&tree(&member.name, "normal")?));
        }
        let tree = tree(&member.name, "normal,build")?;
        println!("{}: {} packages with itself", member.name, tree.len());
        faults.extend(c_builds(&tree, &linking).map(|fault| format!("{}: {fault}", member.name)));
    }
    for fault in &faults {
        println!("  {fault}");
    }
    if !faults.is_empty() {
        bail!("{} dependencies are too heavy; `cargo tree -i NAME` says who wants one", faults.len());
    }
    Ok(())
}

/// The names in a member's dependency tree, itself included, each once.
fn tree(package: &str, edges: &str) -> Result<Vec<String>> {
    let printed = output(&["tree", "--locked", "-p", package, "-e", edges, "--prefix", "none", "-f", "{p}"])?;
    let mut names: Vec<String> =
        printed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    if !names.iter().any(|name| name == package) {
        bail!("`cargo tree` shows no tree of {package}");
    }
    Ok(names)
}

fn heavy(tree: &[String]) -> impl Iterator<Item = String> {
    let found = tree.iter().filter(|name| name.split(['-', '_']).any(|word| NOT_IN_CORE.contains(&word)));
    found.map(|name| format!("{CORE}: {name} belongs into a crate beside core"))
}

fn c_builds(tree: &[String], linking: &[&str]) -> impl Iterator<Item = String> {
    tree.iter().filter_map(|name| {
        let name = name.as_str();
        if C_BUILDERS.contains(&name) {
            return Some(format!("{name} builds C in a build script"));
        }
        let links = linking.contains(&name) && !LINKS_NOTHING.contains(&name);
        links.then(|| format!("{name} links a library"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn core_holds_no_system_whatever_the_rest_of_the_crates_name() {
        for name in [
            "rdkafka",
            "rdkafka-sys",
            "librocksdb-sys",
            "aws-config",
            "hyper",
            "hyper-util",
            "axum",
            "timely",
        ] {
            assert_eq!(heavy(&names(&["bytes", name])).count(), 1, "{name}");
        }
        assert_eq!(heavy(&names(&["bytes", "hyperloglogplus", "rayon-core"])).count(), 0);
    }

    #[test]
    fn a_build_script_with_c_and_a_linked_library_are_faults() {
        assert_eq!(c_builds(&names(&["cc", "cmake", "cc-not"]), &[]).count(), 2);
        assert_eq!(
            c_builds(&names(&["zstd-sys", "rayon-core"]), &["zstd-sys", "rayon-core", "else"]).count(),
            1
        );
    }
}

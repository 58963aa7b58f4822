//! `cargo xtask new connector NAME`: the files that every connector has, and its place in the workspace.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The files, below the connector's folder. In them `{{name}}`, `{{snake}}` and `{{Type}}` stand for its name.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../templates/connector/Cargo.toml.template")),
    ("src/lib.rs", include_str!("../templates/connector/lib.rs.template")),
    ("src/config.rs", include_str!("../templates/connector/config.rs.template")),
    ("src/error.rs", include_str!("../templates/connector/error.rs.template")),
    ("src/receiver.rs", include_str!("../templates/connector/receiver.rs.template")),
    ("src/streams.rs", include_str!("../templates/connector/streams.rs.template")),
    ("tests/conformance.rs", include_str!("../templates/connector/conformance.rs.template")),
];

/// Lays out `connectors/NAME` in the workspace at `root`.
pub(crate) fn connector(root: &Path, name: &str) -> Result<()> {
    let lower = |c: char| c.is_ascii_lowercase();
    let word = |word: &str| word.starts_with(lower) && word.chars().all(|c| lower(c) || c.is_ascii_digit());
    if !name.split('-').all(word) {
        bail!("`{name}` is no connector's name: write the system's name in lower case, as in `object-store`");
    }
    let member = format!("connectors/{name}");
    let folder = root.join(&member);
    if folder.exists() {
        bail!("`{member}` is there already");
    }
    let manifest = root.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).context("cannot read the workspace's Cargo.toml")?;
    let text = with_member(&text, "members", &member)
        .context("the workspace's Cargo.toml has no list of members")?;
    // A template needs no C; a connector that comes to need it is taken out by hand.
    let text = with_member(&text, "default-members", &member).unwrap_or(text);
    for (file, template) in FILES {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap_or(&folder))?;
        fs::write(&path, filled(template, name))
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    fs::write(&manifest, text).context("cannot write the workspace's Cargo.toml")?;
    println!("{member} is there. Next: write `src/receiver.rs` and `tests/conformance.rs`,");
    println!(
        "answer the four questions in `src/lib.rs`, run `cargo test -p tidemill-{name}`, and add a row to the README's table of connectors."
    );
    Ok(())
}

fn filled(template: &str, name: &str) -> String {
    let mut type_name = String::new();
    for word in name.split('-') {
        let (first, rest) = word.split_at(word.len().min(1));
        type_name += &first.to_ascii_uppercase();
        type_name += rest;
    }
    template
        .replace("{{name}}", name)
        .replace("{{snake}}", &name.replace('-', "_"))
        .replace("{{Type}}", &type_name)
}

/// The manifest with `member` at the end of the list `key`; none where there is no such list.
fn with_member(manifest: &str, key: &str, member: &str) -> Option<String> {
    let start = manifest
        .match_indices(key)
        .find(|(at, _)| {
            (*at == 0 || manifest[..*at].ends_with('\n'))
                && manifest[at + key.len()..].trim_start().starts_with('=')
        })
        .map(|(at, _)| at)?;
    let end = start + manifest[start..].find(']')?;
    let (before, after) = manifest.split_at(end);
    let listed = before.trim_end().trim_end_matches(',');
    let added = if before.trim_end().len() == before.len() {
        format!("{listed}, \"{member}\"")
    } else {
        // One member a line.
        format!("{listed},\n    \"{member}\",\n")
    };
    Some(added + after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_is_laid_out_whole_and_becomes_a_member() {
        let root = tempfile::tempdir().unwrap();
        let manifest = "[workspace]\nmembers = [\"core\"]\ndefault-members = [\n    \"core\",\n]\n";
        fs::write(root.path().join("Cargo.toml"), manifest).unwrap();

        connector(root.path(), "object-store2").unwrap();

        let read = |file: &str| fs::read_to_string(root.path().join(file)).unwrap();
        let workspace: toml::Table = read("Cargo.toml").parse().unwrap();
        for key in ["members", "default-members"] {
            let members = workspace["workspace"][key].as_array().unwrap();
            assert_eq!(members.last().unwrap().as_str(), Some("connectors/object-store2"), "{key}");
            assert_eq!(members.len(), 2);
        }
        let package: toml::Table = read("connectors/object-store2/Cargo.toml").parse().unwrap();
        assert_eq!(package["package"]["name"].as_str(), Some("tidemill-object-store2"));
        for (file, _) in FILES {
            let text = read(&format!("connectors/object-store2/{file}"));
            assert!(!text.contains("{{"), "{file} has a gap");
            assert!(*file == "Cargo.toml" || text.starts_with("//!"), "{file}");
        }
        assert!(read("connectors/object-store2/src/receiver.rs").contains("struct ObjectStore2Receiver"));
        assert!(connector(root.path(), "object-store2").is_err(), "it is there already");
    }

    #[test]
    fn a_workspace_without_default_members_keeps_its_manifest_and_one_without_members_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let manifest = root.path().join("Cargo.toml");
        fs::write(&manifest, "[workspace]\nmembers = [\"core\"]\n").unwrap();
        connector(root.path(), "a").unwrap();
        assert_eq!(
            fs::read_to_string(&manifest).unwrap(),
            "[workspace]\nmembers = [\"core\", \"connectors/a\"]\n"
        );

        fs::write(&manifest, "[package]\n").unwrap();
        assert!(connector(root.path(), "b").is_err());
        assert!(!root.path().join("connectors/b").exists());
    }

    #[test]
    fn a_name_that_makes_no_crate_is_refused_and_nothing_is_written() {
        let root = tempfile::tempdir().unwrap();
        for name in ["", "Kafka", "a/b", "../x", "2go", "a-", "-a", "a--b", "a_b"] {
            let error = connector(root.path(), name).unwrap_err().to_string();
            assert!(error.contains("is no connector's name"), "{name}: {error}");
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_list_of_members_keeps_its_form() {
        let added = |text: &str| with_member(text, "members", "x");
        assert_eq!(added("members = [\"a\"]\n").unwrap(), "members = [\"a\", \"x\"]\n");
        assert_eq!(
            added("members = [\n    \"a\",\n]\n").unwrap(),
            "members = [\n    \"a\",\n    \"x\",\n]\n"
        );
        assert_eq!(added("members = [\n    \"a\"\n]\n").unwrap(), "members = [\n    \"a\",\n    \"x\",\n]\n");
        assert_eq!(added("default-members = [\"a\"]\n"), None);
    }
}

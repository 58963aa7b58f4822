//! Cargo, called as a program, and what it knows of the workspace.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The workspace's folder.
pub(crate) fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here.parent().context("xtask has no folder above it")?.to_path_buf())
}

/// A command in the workspace's folder, without stdin and without what `cargo run` told *this* program about itself.
pub(crate) fn command(program: &str, args: &[&str]) -> Result<Command> {
    let mut command = Command::new(program);
    command.args(args).current_dir(root()?).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let of_this_package = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_MANIFEST_")
                || name == "CARGO_PRIMARY_PACKAGE"
        });
        if of_this_package {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Runs `cargo ARGS…` with its output in sight; fails where it fails.
pub(crate) fn cargo(args: &[&str]) -> Result<()> {
    succeed(&mut command("cargo", args)?)
}

/// Runs a command with its output in sight; fails where it fails.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    println!("$ {shown}");
    let status = command.status().with_context(|| format!("`{shown}` does not start"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// What `cargo ARGS…` prints.
pub(crate) fn output(args: &[&str]) -> Result<String> {
    let mut command = command("cargo", args)?;
    let shown = shown(&command);
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("`{shown}` does not start"))?;
    if !output.status.success() {
        bail!("`{shown}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` prints something else than text"))
}

fn shown(command: &Command) -> String {
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(command.get_program().to_string_lossy().into_owned())
        .chain(args)
        .collect::<Vec<_>>()
        .join(" ")
}

/// What `cargo metadata` says.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// All packages: members and dependencies.
    pub(crate) packages: Vec<Package>,
    /// Where builds go.
    pub(crate) target_directory: PathBuf,
}

/// A package, as far as the checks need it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// The licence expression; none where the manifest names none.
    pub(crate) license: Option<String>,
    /// Where it comes from; none for a folder of this machine.
    pub(crate) source: Option<String>,
    /// The C library that it links, or a name that keeps a second version out.
    pub(crate) links: Option<String>,
    /// Its features, `default` included where it has one.
    pub(crate) features: Vec<String>,
    /// Its programs.
    pub(crate) bins: Vec<String>,
    /// The names of the packages that it depends on directly, in any way, on the platforms asked for.
    pub(crate) dependencies: Vec<String>,
    /// Whether it is a member of the workspace.
    pub(crate) member: bool,
    /// Whether it is a member that commands without `-p` and `--workspace` take.
    pub(crate) default_member: bool,
    /// The source of dependencies that name no registry, where it has such.
    pub(crate) default_registry: Option<String>,
}

impl Metadata {
    /// Asks cargo, for this machine's platform alone: other platforms' packages need not be fetched.
    pub(crate) fn of_host() -> Result<Self> {
        let version = command("rustc", &["-vV"])?.output().context("rustc does not run")?;
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        let host =
            version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
        Self::of_targets(&[host.to_owned()])
    }

    /// Asks cargo, for these platforms.
    pub(crate) fn of_targets(targets: &[String]) -> Result<Self> {
        let mut args = vec!["metadata", "--format-version", "1", "--locked"];
        for target in targets {
            args.extend(["--filter-platform", target]);
        }
        Self::parse(&output(&args)?)
    }

    fn parse(json: &str) -> Result<Self> {
        let json: Value =
            serde_json::from_str(json).context("`cargo metadata` prints something else than JSON")?;
        let members = texts(&json["workspace_members"]);
        let default_members = texts(&json["workspace_default_members"]);
        let listed = json["packages"].as_array().context("`cargo metadata` lists no packages")?;
        let id_to_name = |id: &Value| {
            listed.iter().find(|package| package["id"] == *id).map(|package| text(&package["name"]))
        };
        let nodes = json["resolve"]["nodes"].as_array().context("`cargo metadata` resolves nothing")?;
        let packages = nodes.iter().filter_map(|node| {
            let package = listed.iter().find(|package| package["id"] == node["id"])?;
            let id = text(&package["id"]);
            let targets = package["targets"].as_array().into_iter().flatten();
            let declared = package["dependencies"].as_array().into_iter().flatten();
            Some(Package {
                name: text(&package["name"]),
                version: text(&package["version"]),
                license: package["license"].as_str().map(str::to_owned),
                source: package["source"].as_str().map(str::to_owned),
                links: package["links"].as_str().map(str::to_owned),
                features: package["features"]
                    .as_object()
                    .into_iter()
                    .flat_map(|f| f.keys().cloned())
                    .collect(),
                bins: targets
                    .filter(|target| texts(&target["kind"]).iter().any(|kind| kind == "bin"))
                    .map(|target| text(&target["name"]))
                    .collect(),
                dependencies: node["deps"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|dependency| id_to_name(&dependency["pkg"]))
                    .collect(),
                member: members.contains(&id),
                default_member: default_members.contains(&id),
                default_registry: declared
                    .filter(|dependency| dependency["registry"].is_null())
                    .find_map(|dependency| {
                        dependency["source"].as_str().filter(|s| s.starts_with("registry+"))
                    })
                    .map(str::to_owned),
            })
        });
        Ok(Self { packages: packages.collect(), target_directory: text(&json["target_directory"]).into() })
    }

    /// The members of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.member)
    }

    /// A member by name.
    pub(crate) fn member(&self, name: &str) -> Option<&Package> {
        self.members().find(|package| package.name == name)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_tells_members_from_dependencies_and_leaves_out_what_is_not_resolved() {
        let json = r#"{
            "workspace_members": ["path+a"], "workspace_default_members": [], "target_directory": "/t",
            "packages": [
                {"id": "path+a", "name": "a", "version": "1.0.0", "license": "MIT", "source": null,
                 "features": {"default": [], "x": []}, "links": null,
                 "targets": [{"kind": ["lib"], "name": "a"}, {"kind": ["bin"], "name": "job"}],
                 "dependencies": [{"name": "b", "registry": null, "source": "registry+r"}]},
                {"id": "r#b", "name": "b", "version": "2.0.0", "license": null, "source": "registry+r",
                 "features": {}, "links": "b", "targets": [], "dependencies": []},
                {"id": "r#c", "name": "c", "version": "3.0.0", "license": null, "source": "registry+r",
                 "features": {}, "links": null, "targets": [], "dependencies": []}
            ],
            "resolve": {"nodes": [{"id": "path+a", "deps": [{"pkg": "r#b"}]}, {"id": "r#b", "deps": []}]}
        }"#;

        let metadata = Metadata::parse(json).unwrap();

        let names: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let a = metadata.member("a").unwrap();
        assert_eq!(
            (a.bins.as_slice(), a.dependencies.as_slice()),
            (&["job".to_owned()][..], &["b".to_owned()][..])
        );
        assert_eq!(a.default_registry.as_deref(), Some("registry+r"));
        assert!(!a.default_member);
        assert!(metadata.member("b").is_none());
        assert_eq!(metadata.packages[1].links.as_deref(), Some("b"));
    }
}

//! The workspace as cargo describes it, compared with the table of layers.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Problem;
use super::layers::{self, Row};

/// All packages of the build.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    pub(crate) packages: Vec<Package>,
}

/// One package.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Where its code comes from; none for a path.
    pub(crate) source: Option<String>,
    pub(crate) licence: Option<String>,
    /// Relative to the workspace's root; meaningless for a package from elsewhere.
    pub(crate) directory: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One dependency as a manifest states it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Only for tests, examples and benches.
    pub(crate) dev: bool,
    /// Whether it is a path of this workspace.
    pub(crate) by_path: bool,
}

impl Graph {
    /// The packages of this workspace.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|p| p.source.is_none())
    }

    /// The packages of others.
    pub(crate) fn theirs(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|p| p.source.is_some())
    }
}

/// Asks cargo.
///
/// # Errors
/// If cargo fails or its answer has another form.
pub(crate) fn read(root: &Path) -> Result<Graph> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform])
        .output()
        .context("cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    parse(&serde_json::from_slice(&output.stdout)?, root)
}

fn parse(json: &Value, root: &Path) -> Result<Graph> {
    let packages = json["packages"].as_array().context("cargo metadata: no packages")?;
    // Only what this platform builds: the list also holds packages that are merely locked.
    let nodes = json["resolve"]["nodes"].as_array().context("cargo metadata: no resolve")?;
    let built = |id: &Value| nodes.iter().any(|n| n["id"] == *id);
    let packages: Result<Vec<Package>> =
        packages.iter().filter(|p| built(&p["id"])).map(|p| package(p, root)).collect();
    Ok(Graph { packages: packages? })
}

fn package(json: &Value, root: &Path) -> Result<Package> {
    let text = |field: &str| json[field].as_str().map(str::to_owned);
    let manifest = PathBuf::from(text("manifest_path").context("manifest_path")?);
    let directory = manifest.parent().unwrap_or(root);
    let dependencies = json["dependencies"].as_array().into_iter().flatten().map(|d| Dependency {
        name: d["name"].as_str().unwrap_or_default().to_owned(),
        dev: d["kind"] == "dev",
        by_path: d["path"].is_string(),
    });
    Ok(Package {
        name: text("name").context("name")?,
        version: text("version").unwrap_or_default(),
        source: text("source"),
        licence: text("license"),
        directory: directory.strip_prefix(root).unwrap_or(directory).to_owned(),
        dependencies: dependencies.collect(),
    })
}

/// Compares the graph with the table.
pub(crate) fn check(graph: &Graph) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in graph.ours() {
        match layers::find(&package.name) {
            Some(row) => problems.extend(check_package(package, row)),
            None => problems.push(Problem::new(&package.name, 0, "stands in no layer: name it in xtask's table")),
        }
    }
    for row in layers::TABLE {
        if !graph.ours().any(|p| p.name == row.name) {
            problems.push(Problem::new(row.name, 0, "is in xtask's table, but not in the workspace"));
        }
    }
    problems
}

fn check_package(package: &Package, row: &Row) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |what: String| problems.push(Problem::new(&package.name, 0, what));
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        match layers::find(name) {
            Some(to) => {
                if let Some(why) = layers::refusal(row, to).filter(|_| !is_test_kit(dependency)) {
                    problem(why);
                } else if !dependency.dev && !row.uses.contains(&name) {
                    problem(format!("uses {name}: the arrow is not in xtask's table"));
                }
            }
            None if dependency.dev && layers::TEST_EXTERNAL.contains(&name) => {}
            None if row.external.contains(&name) => {}
            None => problem(format!("uses {name}, which xtask's table does not allow it")),
        }
        if layers::OURS_BY_PATH.contains(&name) && !dependency.by_path {
            problem(format!("{name} must come from this workspace: the registry has a stranger of that name"));
        }
    }
    for wanted in row.uses {
        if !package.dependencies.iter().any(|d| d.name == *wanted && !d.dev) {
            problem(format!("does not use {wanted}, though xtask's table says so"));
        }
    }
    problems
}

/// Tests of any crate may drive a real server.
fn is_test_kit(dependency: &Dependency) -> bool {
    dependency.dev && dependency.name == "testkit"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(name: &str, by_path: bool, dev: bool) -> Dependency {
        Dependency { name: name.to_owned(), dev, by_path }
    }

    /// What tidy says of a crate with its dependencies of the table and these.
    fn said(name: &str, more: Vec<Dependency>) -> Vec<String> {
        let row = layers::find(name).expect("in the table");
        let mut dependencies: Vec<Dependency> = row.uses.iter().map(|n| uses(n, true, false)).collect();
        dependencies.extend(more);
        let package = Package { name: name.to_owned(), dependencies, ..Package::default() };
        check_package(&package, row).into_iter().map(|p| p.what).collect()
    }

    #[test]
    fn the_table_as_it_stands_is_tidy() {
        for row in layers::TABLE {
            assert_eq!(said(row.name, Vec::new()), Vec::<String>::new(), "{}", row.name);
        }
    }

    #[test]
    fn an_arrow_upwards_is_found() {
        assert_eq!(said("vfs", vec![uses("engine", true, false)]).len(), 1);
    }

    #[test]
    fn a_forbidden_pair_is_found_even_between_tests() {
        assert!(said("aof-load", vec![uses("aof-buffer", true, true)])[0].contains("never name each other"));
    }

    #[test]
    fn an_arrow_that_the_table_does_not_hold_is_found() {
        assert!(said("rio", vec![uses("numeric", true, false)])[0].contains("not in xtask's table"));
    }

    #[test]
    fn an_external_crate_that_is_not_allowed_is_found() {
        assert!(said("vfs", vec![uses("tokio", false, false)])[0].contains("tokio"));
        assert_eq!(said("vfs", vec![uses("proptest", false, true)]), Vec::<String>::new());
    }

    #[test]
    fn a_stranger_from_the_registry_under_our_name_is_found() {
        let found = said("engine", vec![uses("rio", false, false)]);
        assert!(found.iter().any(|what| what.contains("must come from this workspace")), "{found:?}");
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        let stray = Package { name: "stray".to_owned(), ..Package::default() };
        let problems = check(&Graph { packages: vec![stray] });
        assert!(problems.iter().any(|p| p.at == "stray" && p.what.contains("no layer")));
    }
}

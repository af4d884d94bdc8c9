//! Which crate may use which: two staircases on one ground floor, that meet in the facade.
//!
//! A crate uses only crates of lower floors, of its own staircase or of the ground. The facade and the skins
//! may use both staircases. For tests a crate may look up, but never across. Only the ground floor hashes and
//! signs.

use cargo_metadata::{DependencyKind, Metadata};

use crate::Complaint;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Staircase {
    Ground,
    History,
    Question,
    Both,
}

use Staircase::{Both, Ground, History, Question};

/// Name, staircase, floor.
const CRATES: [(&str, Staircase, u8); 18] = [
    ("motet-fact", Ground, 0),
    ("motet-store", History, 1),
    ("motet-feed", History, 2),
    ("motet-party", History, 3),
    ("motet-item", History, 3),
    ("motet-sync", History, 4),
    ("motet-remote", History, 2),
    ("motet-flow", Question, 1),
    ("motet-algebra", Question, 2),
    ("motet-logic", Question, 3),
    ("motet-cluster", Question, 3),
    ("motet-native", Question, 3),
    ("motet-stream", Question, 4),
    ("motet", Both, 5),
    ("motet-node", Both, 6),
    ("motet-wasm", Both, 6),
    ("motet-cli", Both, 7),
    ("xtask", Both, 8),
];

/// The crates that are pure: everything outside of them is an argument (design, law 2).
pub(crate) const PURE: [&str; 9] =
    ["fact", "feed", "party", "item", "sync", "flow", "algebra", "logic", "native"];

/// What only `fact` may use (design, law 3).
const HASHERS: [&str; 5] = ["sha2", "blake3", "ed25519-dalek", "spake2", "bip39"];

/// That a crate uses another.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    /// The user.
    pub(crate) from: String,
    /// Its manifest, from the root.
    pub(crate) manifest: String,
    /// What it uses.
    pub(crate) to: String,
    /// Only for its tests.
    pub(crate) dev: bool,
}

/// The edges that start in the workspace.
pub(crate) fn edges(metadata: &Metadata) -> Vec<Edge> {
    let mut edges = Vec::new();
    for package in metadata.workspace_packages() {
        let manifest = package.manifest_path.strip_prefix(&metadata.workspace_root);
        let manifest = manifest.map_or_else(|_| package.manifest_path.to_string(), ToString::to_string);
        for dependency in &package.dependencies {
            edges.push(Edge {
                from: package.name.to_string(),
                manifest: manifest.clone(),
                to: dependency.name.clone(),
                dev: dependency.kind == DependencyKind::Development,
            });
        }
    }
    edges
}

/// The complaints about edges.
pub(crate) fn check(edges: &[Edge]) -> Vec<Complaint> {
    edges.iter().filter_map(fault).collect()
}

fn fault(edge: &Edge) -> Option<Complaint> {
    let complain = |what, remedy| Some(Complaint::new(&edge.manifest, 1, what, remedy));
    let uses = format!("{} uses {}", edge.from, edge.to);
    let Some((user, floor)) = place(&edge.from) else {
        let what = format!("{} has no floor", edge.from);
        return complain(what, "give it one in the table of xtask/src/floors.rs and in ARCHITECTURE.md");
    };
    if HASHERS.contains(&edge.to.as_str()) && edge.from != "motet-fact" && !edge.dev {
        return complain(uses, "only motet-fact hashes and signs: call it, or add there what is missing");
    }
    let pure = PURE.iter().any(|name| edge.from == format!("motet-{name}"));
    if pure && edge.to == "getrandom" && !edge.dev {
        return complain(uses, "a pure crate is given its entropy as an argument");
    }
    let (used, below) = place(&edge.to)?;
    if user != Both && used != Ground && used != user {
        return complain(uses, "the staircases meet in `motet` alone: put there what needs both");
    }
    if below >= floor && !edge.dev {
        return complain(uses, "a crate uses only lower floors: turn the edge round, or pass a trait");
    }
    None
}

fn place(name: &str) -> Option<(Staircase, u8)> {
    CRATES.iter().find(|(known, ..)| *known == name).map(|(_, staircase, floor)| (*staircase, *floor))
}

/// Outside crates without a reason in the root manifest.
pub(crate) fn reasons(file: &str, manifest: &str) -> Vec<Complaint> {
    let mut inside = false;
    let mut complaints = Vec::new();
    for (number, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.trim() == "[workspace.dependencies]";
        }
        let declares = line.starts_with(|letter: char| letter.is_ascii_lowercase()) && line.contains('=');
        if inside && declares && !line.contains("path =") && !line.contains(" # ") {
            let name = line.split([' ', '=']).next().unwrap_or_default();
            let what = format!("the dependency {name} has no reason");
            complaints.push(Complaint::new(
                file,
                number + 1,
                what,
                "say in a comment behind it why it is here",
            ));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: &str, to: &str, dev: bool) -> Edge {
        Edge { from: from.into(), manifest: "crates/x/Cargo.toml".into(), to: to.into(), dev }
    }

    fn faults(from: &str, to: &str, dev: bool) -> Vec<String> {
        check(&[edge(from, to, dev)]).into_iter().map(|complaint| complaint.to_string()).collect()
    }

    #[test]
    fn crates_look_down_their_own_staircase() {
        for (from, to) in [
            ("motet-feed", "motet-fact"),
            ("motet-party", "motet-feed"),
            ("motet-logic", "motet-algebra"),
            ("motet", "motet-cluster"),
            ("motet-cli", "motet-node"),
            ("motet-item", "serde"),
        ] {
            assert_eq!(faults(from, to, false), Vec::<String>::new(), "{from} may use {to}");
        }
    }

    #[test]
    fn up_across_and_sideways_are_refused() {
        for (from, to, words) in [
            ("motet-feed", "motet-item", "lower floors"),
            ("motet-party", "motet-item", "lower floors"),
            ("motet-item", "motet-algebra", "meet in `motet`"),
            ("motet-logic", "motet-feed", "meet in `motet`"),
            ("motet-sync", "motet", "meet in `motet`"),
            ("motet-node", "motet-cli", "lower floors"),
            ("motet-new", "motet-fact", "floor"),
        ] {
            let faults = faults(from, to, false);
            assert!(faults.len() == 1 && faults[0].contains(words), "{from} uses {to}: {faults:?}");
        }
    }

    #[test]
    fn tests_may_look_up_but_not_across() {
        assert!(faults("motet-feed", "motet-item", true).is_empty());
        assert_eq!(faults("motet-feed", "motet-logic", true).len(), 1);
    }

    #[test]
    fn only_fact_hashes_and_nobody_pure_draws() {
        assert!(faults("motet-fact", "blake3", false).is_empty());
        assert_eq!(faults("motet-feed", "blake3", false).len(), 1);
        assert_eq!(faults("motet-fact", "getrandom", false).len(), 1);
        assert!(faults("motet", "getrandom", false).is_empty());
    }

    #[test]
    fn each_outside_crate_has_a_reason() {
        let manifest = "[workspace.dependencies]\n# floor\na = \"1\" # why\nb = \"1\"\n\
                        c = { path = \"c\" }\n[lints]\nd = 1\n";
        let complaints = reasons("Cargo.toml", manifest);
        assert_eq!(complaints.len(), 1);
        assert_eq!((complaints[0].line, complaints[0].what.contains(" b ")), (4, true));
    }
}

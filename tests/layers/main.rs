//! The layers of the crates: ARCHITECTURE.md lists the rooms of each from the ground up, and no file imports from a room
//! above its own. A room is a file of `src` and the folder of the same name.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeSet;
use std::path::Path;

mod circles;
mod imports;
mod modules;

use imports::imports;
use modules::{Module, Modules};

/// Files that may import each other in a circle inside a room.
const LARGEST_CIRCLE: usize = 8;

/// The rooms of a crate, from the ground up.
struct Rooms(Vec<String>);

impl Rooms {
    /// Reads the list of `source` in ARCHITECTURE.md: a code block that begins with the path, and has a line for each room.
    fn listed(source: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
        let begin = format!("```text\n{source}\n");
        let (_, list) = text.split_once(&begin).expect("the rooms are listed");
        let (list, _) = list.split_once("```").unwrap();
        let first_word = |line: &str| line.split_whitespace().next().map(str::to_owned);
        Self(list.lines().filter_map(first_word).collect())
    }

    /// The position of the room that a module belongs to: the longest that it begins with.
    fn of(&self, module: &Module) -> Option<usize> {
        let path = module.0.join("/");
        let holds = |room: &str| {
            let rest = path.strip_prefix(room);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let rooms = self.0.iter().enumerate().filter(|(_, room)| holds(room));
        rooms.max_by_key(|(_, room)| room.len()).map(|(at, _)| at)
    }
}

/// Every import of a crate, from module to module.
fn arrows(modules: &Modules) -> BTreeSet<(Module, Module)> {
    let mut arrows = BTreeSet::new();
    for (module, text) in modules.sources() {
        for path in imports(text, module, modules) {
            let Some(target) = modules.defining(&path) else {
                continue;
            };
            if target != *module {
                arrows.insert((module.clone(), target));
            }
        }
    }
    arrows
}

/// Checks the layers of a crate, which has more than this many imports.
fn check(source: &str, at_least: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (rooms, modules) = (Rooms::listed(source), Modules::read(&root.join(source)));
    let mut faults = Vec::new();
    for (module, _) in modules.sources() {
        if rooms.of(module).is_none() && *module != Module::default() {
            faults.push(format!("{module} is in no room that is listed"));
        }
    }
    for room in &rooms.0 {
        if !modules.has(room) {
            faults.push(format!("there is no room {room}"));
        }
    }
    let arrows = arrows(&modules);
    for (from, to) in &arrows {
        // The root of the crate only declares and exports.
        let (Some(below), Some(above)) = (rooms.of(from), rooms.of(to)) else {
            continue;
        };
        if above > below {
            let (below, above) = (&rooms.0[below], &rooms.0[above]);
            faults.push(format!("{from} imports {to}, from {below} up to {above}"));
        }
    }
    for circle in circles::of(&arrows) {
        if circle.len() > LARGEST_CIRCLE {
            let files: Vec<_> = circle.iter().map(ToString::to_string).collect();
            faults.push(format!("a circle of {}: {}", files.len(), files.join(", ")));
        }
    }
    assert!(faults.is_empty(), "{source}:\n{}", faults.join("\n"));
    assert!(
        arrows.len() > at_least,
        "the imports are read: {}",
        arrows.len()
    );
}

#[test]
fn no_import_of_the_proxy_runs_up() {
    check("crates/proxy/src", 100);
}

#[test]
fn no_import_of_the_resources_runs_up() {
    check("crates/api/src", 20);
}

#[test]
fn no_import_of_the_configuration_runs_up() {
    check("crates/config/src", 100);
}

#[test]
fn no_import_of_the_cluster_runs_up() {
    check("crates/cluster/src", 5);
}

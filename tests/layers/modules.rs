//! The modules of a crate, by the files that they are in, and what they re-export.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// The path of a module from the root of its crate; empty for the root itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Module(pub(crate) Vec<String>);

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// The modules of a crate, with their code. Tests are left out: they may use whatever they need.
pub(crate) struct Modules(BTreeMap<Module, String>);

impl Modules {
    /// Reads every file below `source`.
    pub(crate) fn read(source: &Path) -> Self {
        let mut modules = BTreeMap::new();
        read_folder(source, &Module::default(), &mut modules);
        Self(modules)
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = (&Module, &str)> {
        self.0.iter().map(|(module, text)| (module, &**text))
    }

    /// Whether a room is a module.
    pub(crate) fn has(&self, room: &str) -> bool {
        let path = room.split('/').map(str::to_owned).collect();
        self.0.contains_key(&Module(path))
    }

    /// The module that a path leads into: the longest that it begins with, or the module that a re-export there is from.
    pub(crate) fn defining(&self, path: &[String]) -> Option<Module> {
        let mut length = path.len();
        while !self.0.contains_key(&Module(path[..length].to_vec())) {
            length = length.checked_sub(1)?;
        }
        let module = Module(path[..length].to_vec());
        let reexported = path.get(length).and_then(|name| self.reexport(&module, name));
        Some(reexported.unwrap_or(module))
    }

    /// The child module from which `module` re-exports `name`.
    fn reexport(&self, module: &Module, name: &str) -> Option<Module> {
        let text = self.0.get(module)?;
        let exports = text.split("use ").skip(1);
        let mut exports = exports.filter_map(|export| export.split_once(';'));
        exports.find_map(|(export, _)| {
            let (child, names) = export.split_once("::")?;
            let child = child_of(module, child.trim());
            let mut words = names.split(|char: char| !char.is_alphanumeric() && char != '_');
            let is_it = self.0.contains_key(&child) && words.any(|word| word == name);
            is_it.then_some(child)
        })
    }
}

fn child_of(module: &Module, name: &str) -> Module {
    let mut path = module.0.clone();
    path.push(name.to_owned());
    Module(path)
}

fn read_folder(folder: &Path, module: &Module, modules: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            read_folder(&path, &child_of(module, name), modules);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let of_file = match name {
                "lib" => Module::default(),
                name => child_of(module, name),
            };
            let text = fs::read_to_string(&path).unwrap();
            // A module that is declared for tests alone.
            let is_test = text.starts_with("#![cfg(test)]");
            if !is_test {
                modules.insert(of_file, code(&text));
            }
        }
    }
}

/// The code of a file, without comments, strings and what is for tests.
fn code(text: &str) -> String {
    let (text, _) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((text, ""));
    let mut code = String::new();
    for line in text.lines() {
        let outside = line.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        code.push_str(outside.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

//! The paths of a file that lead to other modules of its crate: those of `use`, and those inline.

use crate::modules::{Module, Modules};

/// Every path that begins with `crate` or `super`, or with a child of the module in a `use`, from the root of the crate.
pub(crate) fn imports(text: &str, module: &Module, modules: &Modules) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in text.match_indices(start) {
            let before = &text[..at];
            let is_start = !before.ends_with(|char: char| {
                char.is_alphanumeric() || matches!(char, '_' | ':' | '$')
            });
            let is_visibility = before.ends_with("(in ");
            if is_start && !is_visibility {
                let (path, _) = read_path(&text[at..]);
                paths.extend(path);
            }
        }
    }
    let mut absolute: Vec<_> = paths
        .into_iter()
        .filter_map(|path| from_root(path, module))
        .collect();
    // A `use` in a module may also begin with one of its children.
    let uses = text.match_indices("use ");
    for (at, start) in uses {
        let (paths, _) = read_path(&text[at + start.len()..]);
        absolute.extend(paths.into_iter().filter_map(|path| {
            let whole = [module.0.clone(), path].concat();
            let child = whole.get(..=module.0.len())?.join("/");
            modules.has(&child).then_some(whole)
        }));
    }
    absolute
}

/// The paths at the beginning of a text, one for each leaf of a group, and what follows.
fn read_path(text: &str) -> (Vec<Vec<String>>, &str) {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        return read_group(group);
    }
    let end = text.find(|char: char| !char.is_alphanumeric() && char != '_');
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    if name.is_empty() {
        return (Vec::new(), rest);
    }
    let name = name.to_owned();
    match rest.strip_prefix("::") {
        Some(inner) => {
            let (mut paths, rest) = read_path(inner);
            if paths.is_empty() {
                paths.push(Vec::new());
            }
            for path in &mut paths {
                path.insert(0, name.clone());
            }
            (paths, rest)
        }
        None => (vec![vec![name]], rest),
    }
}

fn read_group(mut text: &str) -> (Vec<Vec<String>>, &str) {
    let mut all = Vec::new();
    loop {
        let (paths, rest) = read_path(text);
        all.extend(paths);
        // What an import is renamed to is of no interest.
        let next = rest.find([',', '}']).unwrap_or(rest.len());
        match rest[next..].chars().next() {
            Some(',') => text = &rest[next + 1..],
            Some(_) => return (all, &rest[next + 1..]),
            None => return (all, ""),
        }
    }
}

/// A path that begins with `crate` or `super` from the root of the crate.
fn from_root(path: Vec<String>, module: &Module) -> Option<Vec<String>> {
    let mut base = module.0.clone();
    let mut path = path.into_iter().peekable();
    if path.next_if(|name| name == "crate").is_some() {
        return Some(path.collect());
    }
    while path.next_if(|name| name == "super").is_some() {
        base.pop()?;
    }
    base.extend(path);
    Some(base)
}

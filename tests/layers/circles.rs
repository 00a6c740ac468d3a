//! Circles of imports.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::Module;

/// The groups of modules that all import each other, directly or by way of others.
pub(crate) fn of(arrows: &BTreeSet<(Module, Module)>) -> Vec<BTreeSet<Module>> {
    let mut next: BTreeMap<&Module, Vec<&Module>> = BTreeMap::new();
    for (from, to) in arrows {
        next.entry(from).or_default().push(to);
    }
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = next
        .keys()
        .map(|module| (*module, reachable(module, &next)))
        .collect();
    let mut circles = BTreeSet::new();
    for (module, from_here) in &reached {
        let comes_back = |other: &&&Module| {
            let back = reached.get(**other);
            back.is_some_and(|back| back.contains(module))
        };
        let circle: BTreeSet<Module> = from_here
            .iter()
            .filter(comes_back)
            .map(|module| (*module).clone())
            .collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

fn reachable<'a>(
    from: &Module,
    next: &BTreeMap<&'a Module, Vec<&'a Module>>,
) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Module> = next.get(from).into_iter().flatten().copied().collect();
    while let Some(module) = open.pop() {
        if let Some((known, targets)) = next.get_key_value(module)
            && reached.insert(*known)
        {
            open.extend(targets.iter().copied());
        }
    }
    reached
}

//! docs/reference has a page for every kind that is read, with a row for every field that its schema has.

mod meanings;
mod schema;
mod table;

use std::path::{Path, PathBuf};
use std::{env, fs};

use egret_config::crd::{gateway_api_spec, noted_specs};
use egret_config::resources::Kind;
use serde_json::Value;

use meanings::Meanings;

const BEGIN: &str =
    "<!-- Written from the types: EGRET_WRITE=1 cargo test -p egret-config --test reference -->\n";
const END: &str = "<!-- The end of what is written. -->\n";

/// What the fields of the Gateway API's kinds mean here. The other kinds say so beside their types.
const GATEWAY_API: &str = include_str!("gateway_api.txt");

/// The schema of `spec` of every kind that has one, with what its fields mean, and what is wrong with these meanings.
fn specs() -> (Vec<(Kind, Value)>, Vec<String>) {
    let mut meanings = Meanings::parse(GATEWAY_API);
    let (mut specs, mut noted) = (Vec::new(), noted_specs());
    for kind in Kind::all() {
        if let Some(mut spec) = gateway_api_spec(kind) {
            meanings.describe(kind, &mut spec);
            specs.push((kind, spec));
        } else if let Some(spec) = noted.remove(&kind) {
            specs.push((kind, spec));
        }
    }
    (specs, meanings.faults())
}

fn page_of(kind: Kind) -> PathBuf {
    let name = format!("{}.md", kind.as_str().to_lowercase());
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/reference")
        .join(name)
}

/// A page with this table between the two comments; `None` if it has no place for one.
fn with_table(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

#[test]
fn the_page_of_every_kind_has_the_table_of_its_fields() {
    let (specs, mut faults) = specs();
    assert!(specs.len() > 15, "{}", specs.len());
    for (kind, spec) in &specs {
        let (table, unsaid) = table::of(spec);
        faults.extend(
            unsaid
                .iter()
                .map(|field| format!("{kind} {field}: no meaning")),
        );
        let path = page_of(*kind);
        let page = fs::read_to_string(&path).unwrap_or_default();
        let Some(expected) = with_table(&page, &table) else {
            faults.push(format!("{}: no place for the table", path.display()));
            continue;
        };
        if env::var_os("EGRET_WRITE").is_some() {
            fs::write(&path, &expected).expect("docs is writable");
        } else if page != expected {
            faults.push(format!(
                "{} is out of date; EGRET_WRITE=1 cargo test -p egret-config --test reference writes it",
                path.display()
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

//! docs/compatibility.md says what the code does.

use std::path::Path;
use std::{env, fs};

use egret_config::compatibility::page;

#[test]
fn the_page_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    let page = page();
    if env::var_os("EGRET_WRITE").is_some() {
        fs::write(&path, &page).expect("docs is writable");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/compatibility.md is out of date; EGRET_WRITE=1 cargo test -p egret-config --test compatibility writes it"
    );
}

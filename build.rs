//! Tells the program which commit it is built from.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=EGRET_COMMIT");
    let commit = env::var("EGRET_COMMIT")
        .ok()
        .or_else(packaged)
        .or_else(checked_out);
    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=EGRET_BUILT_FROM={}", commit.trim());
}

/// The commit that a package was made of, which cargo notes in it.
fn packaged() -> Option<String> {
    let noted = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = noted.split_once("\"sha1\": \"")?;
    rest.get(..9).map(str::to_owned)
}

/// The commit of the folder, if it is one of git's.
fn checked_out() -> Option<String> {
    for file in [".git/HEAD", ".git/refs/heads"] {
        if Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    let asked = Command::new("git")
        .args(["rev-parse", "--short=9", "HEAD"])
        .output()
        .ok()?;
    asked
        .status
        .success()
        .then(|| String::from_utf8(asked.stdout).ok())?
}

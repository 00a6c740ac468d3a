//! Tells the program which commit it is built from, and the linker to keep one of functions that are the same.

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
    if env::var("PROFILE").as_deref() == Ok("release") && links_with_own_lld().unwrap_or(false) {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=safe");
    }
}

/// Whether the linker is the one that comes with Rust, which is its default for this target alone. Others may not know the
/// argument, so that nobody who has chosen one, or whose Rust has none, gets it.
fn links_with_own_lld() -> Option<bool> {
    let target = env::var("TARGET").ok()?;
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if target != "x86_64-unknown-linux-gnu" || flags.contains("link") {
        return Some(false);
    }
    if env::var_os("RUSTC_LINKER").is_some() {
        return Some(false);
    }
    let asked = Command::new(env::var_os("RUSTC")?)
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let sysroot = String::from_utf8(asked.stdout).ok()?;
    let beside = format!("lib/rustlib/{target}/bin/gcc-ld/ld.lld");
    Some(Path::new(sysroot.trim()).join(beside).exists())
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

//! `egret init`, and what the program tells about itself.

use std::fs;

use super::egret;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_first_folder_allows_what_is_named_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let edge = folder.path().join("new/edge");
    let edge = edge.to_str().unwrap();
    let hosts = [
        "--allow",
        "api.example.com",
        "*.example.org",
        "--port",
        "3128",
    ];
    let made = egret(&[&["init", edge], &hosts[..]].concat());
    assert!(made.status.success(), "{made:?}");
    assert!(text(&made.stdout).contains("curl -x http://localhost:3128 http://api.example.com/"));
    let check = egret(&["check", edge]);
    assert_eq!(
        text(&check.stdout),
        "0 errors, 0 warnings: this would be served\n",
        "{check:?}"
    );
    for (url, is_allowed) in [
        ("http://api.example.com/", true),
        ("https://api.example.com/", true),
        ("https://a.b.example.org/", true),
        ("http://example.org/", false),
        ("http://other.example/", false),
    ] {
        let told = egret(&["explain", edge, "--url", url]);
        assert_eq!(told.status.success(), is_allowed, "{url}: {told:?}");
    }
    let gateway = fs::read_to_string(format!("{edge}/gateway.yaml")).unwrap();
    assert!(gateway.contains("port: 3128}") && gateway.contains("127.0.0.1"));
    // What is there is not written over.
    let again = egret(&["init", edge]);
    assert!(!again.status.success());
    assert!(text(&again.stderr).contains("gateway.yaml is there already"));
}

#[test]
fn the_folder_without_hosts_is_accepted_too() {
    let folder = tempfile::tempdir().unwrap();
    let edge = folder.path().join("edge");
    let edge = edge.to_str().unwrap();
    assert!(egret(&["init", edge]).status.success());
    assert!(egret(&["check", edge]).status.success());
    let wrong = egret(&["init", "/nonexistent/x", "--allow", "a b"]);
    assert!(text(&wrong.stderr).contains("--allow a b: "), "{wrong:?}");
}

#[test]
fn the_version_tells_the_commit() {
    let version = text(&egret(&["--version"]).stdout);
    let start = concat!("egret ", env!("CARGO_PKG_VERSION"), " (");
    assert!(version.starts_with(start), "{version}");
    assert!(version.contains("rustls"), "{version}");
    assert_eq!(text(&egret(&["-V"]).stdout).lines().count(), 1);
}

#[test]
fn shells_and_man_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let completions = text(&egret(&["completions", shell]).stdout);
        for command in ["serve", "explain", "replay", "init"] {
            assert!(completions.contains(command), "{shell} {command}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().to_str().unwrap();
    assert!(egret(&["man", pages]).status.success());
    let serve = fs::read_to_string(folder.path().join("egret-serve.1")).unwrap();
    assert!(
        serve.contains("EGRET_DRAIN_TIMEOUT") || serve.contains("drain"),
        "{serve}"
    );
    assert!(fs::exists(folder.path().join("egret.1")).unwrap());
    assert!(text(&egret(&["man"]).stdout).starts_with(".ie"));
}

#[test]
fn a_misspelt_command_is_told_what_was_meant() {
    let told = text(&egret(&["explane"]).stderr);
    assert!(told.contains("'explain'"), "{told}");
    let help = text(&egret(&["explain", "--help"]).stdout);
    assert!(
        help.contains("Example:\n  egret explain /etc/egret"),
        "{help}"
    );
}

//! `egret import`: what it prints is accepted, and decides as the other proxy does.

use std::fs;

use tempfile::TempDir;

use super::{GATEWAY, egret};

/// Imports a file into a folder that has a Gateway. Returns the exit code and stderr.
fn import(folder: &TempDir, name: &str, text: &str) -> (Option<i32>, String) {
    let file = folder.path().join(name);
    fs::write(&file, text).unwrap();
    let output = egret(&[
        "import",
        file.to_str().unwrap(),
        "--target",
        "Gateway/edge/out",
    ]);
    fs::write(folder.path().join("policy.yml"), &output.stdout).unwrap();
    fs::write(folder.path().join("gateway.yml"), GATEWAY).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    (
        output.status.code(),
        error.replace(file.to_str().unwrap(), name),
    )
}

fn served(folder: &TempDir, arguments: &[&str]) -> bool {
    let [gateway, policy] = ["gateway.yml", "policy.yml"].map(|name| folder.path().join(name));
    let paths = [
        "explain",
        gateway.to_str().unwrap(),
        policy.to_str().unwrap(),
    ];
    let output = egret(&[&paths[..], arguments].concat());
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told, "", "{arguments:?}");
    output.status.success()
}

#[test]
fn squid_decides_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let config = "\
acl localnet src 10.0.0.0/8
acl SSL_ports port 443
acl Safe_ports port 80 443 1025-65535
acl ads dstdom_regex -i ^ads[0-9]*\\.
acl partners dstdomain .partner.example
http_access deny !Safe_ports
http_access deny CONNECT !SSL_ports
http_access deny to_localhost
http_access deny ads
http_access allow localnet
http_access allow partners
http_access deny all
";
    let (code, told) = import(&folder, "squid.conf", config);
    assert_eq!((code, &*told), (Some(0), ""));
    for (arguments, expected) in [
        (
            &["--url", "http://a.example/", "--client", "10.1.1.1"][..],
            true,
        ),
        (
            &["--url", "http://a.example:25/", "--client", "10.1.1.1"],
            false,
        ),
        (
            &["--url", "https://a.example:8443/", "--client", "10.1.1.1"],
            false,
        ),
        (
            &["--url", "https://a.example/", "--client", "10.1.1.1"],
            true,
        ),
        (
            &["--url", "http://ADS7.a.example/", "--client", "10.1.1.1"],
            false,
        ),
        (
            &["--url", "http://a.example/", "--client", "192.0.2.1"],
            false,
        ),
        (
            &["--url", "http://partner.example/", "--client", "192.0.2.1"],
            true,
        ),
        (
            &[
                "--url",
                "http://x.y.partner.example/",
                "--client",
                "192.0.2.1",
            ],
            true,
        ),
    ] {
        assert_eq!(served(&folder, arguments), expected, "{arguments:?}");
    }
}

#[test]
fn smokescreen_decides_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let acl = "\
version: v1
services:
- {name: billing, project: payments, action: enforce, allowed_domains: ['*.psp.example']}
- {name: search, project: web, action: open}
default: {name: default, project: other, action: enforce, allowed_domains: [status.example]}
global_deny_list: [paste.example]
";
    let (code, told) = import(&folder, "acl.yaml", acl);
    assert_eq!((code, &*told), (Some(0), ""));
    for (role, host, expected) in [
        (Some("CN=billing"), "a.psp.example", true),
        (Some("CN=billing"), "psp.example", false),
        (Some("CN=billing"), "status.example", false),
        (Some("CN=search"), "a.example", true),
        (Some("CN=search"), "paste.example", false),
        (None, "status.example", true),
        (None, "a.psp.example", false),
    ] {
        let url = format!("https://{host}/");
        let mut arguments = vec!["--url", &*url];
        if let Some(role) = role {
            arguments.extend(["--certificate", role]);
        }
        assert_eq!(served(&folder, &arguments), expected, "{role:?} {host}");
    }
}

#[test]
fn what_is_left_out_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let config = "acl work time 09:00-17:00\nacl a dstdomain a.example\nhttp_access allow a work\nhttp_access deny all\n";
    let (code, told) = import(&folder, "squid.conf", config);
    assert_eq!(code, Some(1));
    assert_eq!(
        told,
        "warning: squid.conf:3: work: type time cannot be said in an EgressPolicy; the line is left out\n"
    );
    assert!(!served(&folder, &["--url", "http://a.example/"]));
    let (code, told) = import(&folder, "other.yaml", "a: 1\n");
    assert_eq!(code, Some(1));
    assert!(told.contains("other.yaml: neither access lists"), "{told}");
}

//! WebSockets, by Python's `websockets`.

use std::process::Command;

use super::lab::{Lab, Site};
use super::outcome::Outcome;
use super::process::Process;
use super::tool::Tool;
use super::way::Listener::{self, Clear, Secure};

/// A server that sends everything back.
fn server(tool: &Tool, lab: &Lab, secure: bool) -> (Process, Site) {
    let mut command = tool.command();
    command.arg("serve");
    if secure {
        command
            .arg("--certificate")
            .arg(lab.file("certificate.pem"))
            .arg("--key")
            .arg(lab.file("key.pem"));
    }
    let process = Process::start(&mut command);
    let site = Site {
        before: if secure { "wss://" } else { "ws://" },
        port: process.next().parse().unwrap(),
        after: "/",
        status: 101,
        body: "hello",
    };
    (process, site)
}

fn say(mut command: Command, lab: &Lab, url: &str) -> Command {
    let ca = lab.file("ca.pem");
    // It has no setting for the certificate of a proxy that it finds itself.
    command.env("SSL_CERT_FILE", &ca);
    command.args(["say", url, "--ca"]).arg(ca);
    command
}

#[test]
fn websockets_go_through_tunnels() {
    let Some(tool) = Tool::python("talk.py") else {
        return;
    };
    let lab = Lab::start();
    for secure in [false, true] {
        let (_server, site) = server(&tool, &lab, secure);
        for listener in Listener::COMMON {
            let proxy = lab.proxy(listener);
            lab.check(listener.tunnel(), site, |url| {
                Outcome::of(say(tool.command(), &lab, url).args(["--proxy", &proxy]))
            });
            lab.check(listener.tunnel(), site, |url| {
                Outcome::of(&mut say(tool.command_through(&proxy), &lab, url))
            });
        }
    }
}

#[test]
fn websockets_are_upgraded_where_their_host_leads() {
    let Some(tool) = Tool::python("talk.py") else {
        return;
    };
    let lab = Lab::start();
    let (_server, site) = server(&tool, &lab, false);
    // TLS ends at the proxy.
    let secure = Site {
        before: "wss://",
        ..site
    };
    for (listener, site) in [(Clear, site), (Secure, secure)] {
        let address = lab.address(listener).to_string();
        lab.check(listener.forward(), site, |url| {
            Outcome::of(say(tool.command(), &lab, url).args(["--connect", &address]))
        });
    }
}

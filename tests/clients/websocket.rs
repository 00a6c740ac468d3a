//! Tests of WebSockets with Python's `websockets`.

use std::process::Command;

use super::form::ProxyListener::{self, Clear, Secure};
use super::outcome::ClientOutcome;
use super::process::ChildProcess;
use super::setup::{TestOrigin, TestSetup};
use super::tool::ClientTool;

/// Starts an echo server.
fn server(tool: &ClientTool, setup: &TestSetup, secure: bool) -> (ChildProcess, TestOrigin) {
    let mut command = tool.command();
    command.arg("serve");
    if secure {
        command
            .arg("--certificate")
            .arg(setup.file("certificate.pem"))
            .arg("--key")
            .arg(setup.file("key.pem"));
    }
    let process = ChildProcess::start(&mut command);
    let origin = TestOrigin {
        prefix: if secure { "wss://" } else { "ws://" },
        port: process.next().parse().unwrap(),
        suffix: "/",
        status: 101,
        body: "hello",
    };
    (process, origin)
}

fn say(mut command: Command, setup: &TestSetup, url: &str) -> Command {
    let ca = setup.file("ca.pem");
    // The library has no setting for the CA of a proxy from the environment.
    command.env("SSL_CERT_FILE", &ca);
    command.args(["say", url, "--ca"]).arg(ca);
    command
}

#[test]
fn websockets_go_through_tunnels() {
    let Some(tool) = ClientTool::python("talk.py") else {
        return;
    };
    let setup = TestSetup::start();
    for secure in [false, true] {
        let (_server, origin) = server(&tool, &setup, secure);
        for listener in ProxyListener::COMMON {
            let proxy = setup.proxy(listener);
            setup.check(listener.tunnel(), origin, |url| {
                ClientOutcome::of(say(tool.command(), &setup, url).args(["--proxy", &proxy]))
            });
            setup.check(listener.tunnel(), origin, |url| {
                ClientOutcome::of(&mut say(tool.command_through(&proxy), &setup, url))
            });
        }
    }
}

#[test]
fn websockets_are_upgraded_where_their_host_leads() {
    let Some(tool) = ClientTool::python("talk.py") else {
        return;
    };
    let setup = TestSetup::start();
    let (_server, origin) = server(&tool, &setup, false);
    // The gateway terminates TLS.
    let secure = TestOrigin {
        prefix: "wss://",
        ..origin
    };
    for (listener, origin) in [(Clear, origin), (Secure, secure)] {
        let address = setup.address(listener).to_string();
        setup.check(listener.forward(), origin, |url| {
            ClientOutcome::of(say(tool.command(), &setup, url).args(["--connect", &address]))
        });
    }
}

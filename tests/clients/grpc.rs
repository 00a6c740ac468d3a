//! Tests of gRPC with the client and server of grpc-go.

use super::form::ProxyListener::Clear;
use super::outcome::ClientOutcome;
use super::process::ChildProcess;
use super::setup::{TestOrigin, TestSetup};
use super::tool::ClientTool;

/// Starts the gRPC health service.
fn server(tool: &ClientTool, setup: &TestSetup, secure: bool) -> (ChildProcess, TestOrigin) {
    let mut command = tool.command();
    command.arg("grpc-serve");
    if secure {
        command
            .arg(setup.file("certificate.pem"))
            .arg(setup.file("key.pem"));
    }
    let process = ChildProcess::start(&mut command);
    let origin = TestOrigin {
        prefix: "",
        port: process.next().parse().unwrap(),
        suffix: "",
        status: 200,
        body: "SERVING",
    };
    (process, origin)
}

/// grpc-go supports only proxies in clear.
#[test]
fn grpc_goes_through_tunnels() {
    let Some(tool) = ClientTool::go() else { return };
    let setup = TestSetup::start();
    for secure in [false, true] {
        let (_server, origin) = server(&tool, &setup, secure);
        setup.check(Clear.tunnel(), origin, |address| {
            let mut command = tool.command_through(&setup.proxy(Clear));
            command.args(["grpc-check", address]);
            if secure {
                command.arg(setup.file("ca.pem"));
            }
            ClientOutcome::of(&mut command)
        });
    }
}

#[test]
fn grpc_is_routed_by_host() {
    let Some(tool) = ClientTool::go() else { return };
    let setup = TestSetup::start();
    let (_server, origin) = server(&tool, &setup, false);
    let proxy = setup.address(Clear).to_string();
    setup.check(Clear.forward().over_http2(), origin, |authority| {
        ClientOutcome::of(tool.command().args(["grpc-route", &proxy, authority]))
    });
}

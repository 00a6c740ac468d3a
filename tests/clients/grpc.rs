//! gRPC, by Go's client and server.

use super::lab::{Lab, Site};
use super::outcome::Outcome;
use super::process::Process;
use super::tool::Tool;
use super::way::Listener::Clear;

/// The health service.
fn server(tool: &Tool, lab: &Lab, secure: bool) -> (Process, Site) {
    let mut command = tool.command();
    command.arg("grpc-serve");
    if secure {
        command
            .arg(lab.file("certificate.pem"))
            .arg(lab.file("key.pem"));
    }
    let process = Process::start(&mut command);
    let site = Site {
        before: "",
        port: process.next().parse().unwrap(),
        after: "",
        status: 200,
        body: "SERVING",
    };
    (process, site)
}

/// It knows proxies in clear alone.
#[test]
fn grpc_goes_through_tunnels() {
    let Some(tool) = Tool::go() else { return };
    let lab = Lab::start();
    for secure in [false, true] {
        let (_server, site) = server(&tool, &lab, secure);
        lab.check(Clear.tunnel(), site, |address| {
            let mut command = tool.command_through(&lab.proxy(Clear));
            command.args(["grpc-check", address]);
            if secure {
                command.arg(lab.file("ca.pem"));
            }
            Outcome::of(&mut command)
        });
    }
}

#[test]
fn grpc_is_routed_by_host() {
    let Some(tool) = Tool::go() else { return };
    let lab = Lab::start();
    let (_server, site) = server(&tool, &lab, false);
    let proxy = lab.address(Clear).to_string();
    lab.check(Clear.forward().over_http2(), site, |authority| {
        Outcome::of(tool.command().args(["grpc-route", &proxy, authority]))
    });
}

//! WebSockets, by Python's `websockets`.

use std::process::Command;

use super::lab::{Form, Lab, Site};
use super::outcome::Outcome;
use super::process::Process;
use super::tool::Tool;

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

fn say(tool: &Tool, lab: &Lab, url: &str) -> Command {
    let mut command = tool.command();
    command.args(["say", url, "--ca"]).arg(lab.file("ca.pem"));
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
        lab.check(Form::Tunnel, site, |url| {
            Outcome::of(say(&tool, &lab, url).args(["--proxy", &lab.proxy()]))
        });
        lab.check(Form::Tunnel, site, |url| {
            let mut command = say(&tool, &lab, url);
            command
                .env("http_proxy", lab.proxy())
                .env("https_proxy", lab.proxy());
            Outcome::of(&mut command)
        });
    }
}

#[test]
fn websockets_are_upgraded_where_their_host_leads() {
    let Some(tool) = Tool::python("talk.py") else {
        return;
    };
    let lab = Lab::start();
    let (_server, site) = server(&tool, &lab, false);
    lab.check(Form::Forward, site, |url| {
        Outcome::of(say(&tool, &lab, url).args(["--connect", &lab.address()]))
    });
}

//! The libraries that programs ask with: those of Python, Go and Node.

use std::process::Command;

use super::lab::{Form, Lab};
use super::outcome::Outcome;
use super::tool::Tool;

/// The client is to find the proxy itself.
fn by_environment(command: &mut Command, lab: &Lab) -> Outcome {
    command
        .env("http_proxy", lab.proxy())
        .env("https_proxy", lab.proxy());
    Outcome::of(command)
}

fn python(library: &str) {
    let Some(tool) = Tool::python("fetch.py") else {
        return;
    };
    let lab = Lab::start();
    let command = |url: &str| {
        let mut command = tool.command();
        command.args([library, url, "--ca"]).arg(lab.file("ca.pem"));
        command
    };
    for (form, site) in [(Form::Forward, lab.http()), (Form::Tunnel, lab.https())] {
        lab.check(form, site, |url| {
            Outcome::of(command(url).args(["--proxy", &lab.proxy()]))
        });
        lab.check(form, site, |url| by_environment(&mut command(url), &lab));
    }
}

#[test]
fn requests_goes_through() {
    python("requests");
}

#[test]
fn httpx_goes_through() {
    python("httpx");
}

#[test]
fn aiohttp_goes_through() {
    python("aiohttp");
}

#[test]
fn net_http_of_go_goes_through() {
    let Some(tool) = Tool::go() else { return };
    let lab = Lab::start();
    for (form, site) in [(Form::Forward, lab.http()), (Form::Tunnel, lab.https())] {
        lab.check(form, site, |url| {
            let mut command = tool.command();
            command.args(["fetch", url]).arg(lab.file("ca.pem"));
            by_environment(&mut command, &lab)
        });
    }
}

/// It opens a tunnel for http as well.
#[test]
fn undici_of_node_goes_through() {
    let Some(tool) = Tool::node("fetch.cjs") else {
        return;
    };
    let lab = Lab::start();
    let command = |url: &str| {
        let mut command = tool.command();
        command.arg(url).arg(lab.file("ca.pem"));
        command
    };
    for site in [lab.http(), lab.https()] {
        lab.check(Form::Tunnel, site, |url| {
            Outcome::of(command(url).arg(lab.proxy()))
        });
        lab.check(Form::Tunnel, site, |url| {
            by_environment(&mut command(url), &lab)
        });
    }
}

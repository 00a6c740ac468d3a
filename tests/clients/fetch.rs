//! The libraries that programs ask with: those of Python, Go and Node.

use std::process::Command;

use super::lab::{Lab, Site};
use super::outcome::Outcome;
use super::tool::Tool;
use super::way::Listener::{self, Clear, Secure, SecureHttp1};
use super::way::Way;

/// By each listener, what is asked for in clear and what over TLS.
fn cases(lab: &Lab, listeners: [Listener; 2]) -> impl Iterator<Item = (Way, Site)> {
    let (http, https) = (lab.http(), lab.https());
    let each = move |listener: Listener| [(listener.forward(), http), (listener.tunnel(), https)];
    listeners.into_iter().flat_map(each)
}

/// A library of Python; not all of them take a proxy over TLS from the environment.
fn python(library: &str, environment: &[Listener]) {
    let Some(tool) = Tool::python("fetch.py") else {
        return;
    };
    let lab = Lab::start();
    let ca = lab.file("ca.pem");
    let ask = |mut command: Command, url: &str| {
        // Where a library has no setting for the certificate of a proxy.
        command.env("SSL_CERT_FILE", &ca);
        command.args([library, url, "--ca"]).arg(&ca);
        command
    };
    for (way, site) in cases(&lab, Listener::COMMON) {
        let proxy = lab.proxy(way.listener);
        lab.check(way, site, |url| {
            Outcome::of(ask(tool.command(), url).args(["--proxy", &proxy]))
        });
        if environment.contains(&way.listener) {
            lab.check(way, site, |url| {
                Outcome::of(&mut ask(tool.command_through(&proxy), url))
            });
        }
    }
}

#[test]
fn requests_goes_through() {
    python("requests", &Listener::COMMON);
}

#[test]
fn httpx_goes_through() {
    python("httpx", &Listener::COMMON);
}

#[test]
fn aiohttp_goes_through() {
    python("aiohttp", &[Clear]);
}

/// Over TLS it agrees to HTTP/2 with a proxy, and then does not speak it: a CONNECT is understood all the same, and
/// anything else it does not even send.
#[test]
fn net_http_of_go_goes_through() {
    let Some(tool) = Tool::go() else { return };
    let lab = Lab::start();
    let also = [(Secure.tunnel(), lab.https())];
    for (way, site) in cases(&lab, [Clear, SecureHttp1]).chain(also) {
        lab.check(way, site, |url| {
            let mut command = tool.command_through(&lab.proxy(way.listener));
            Outcome::of(command.args(["fetch", url]).arg(lab.file("ca.pem")))
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
    for (way, site) in cases(&lab, Listener::COMMON) {
        let (way, proxy) = (way.listener.tunnel(), lab.proxy(way.listener));
        lab.check(way, site, |url| {
            let mut command = tool.command();
            Outcome::of(command.arg(url).arg(lab.file("ca.pem")).arg(&proxy))
        });
        lab.check(way, site, |url| {
            let mut command = tool.command_through(&proxy);
            Outcome::of(command.arg(url).arg(lab.file("ca.pem")))
        });
    }
}

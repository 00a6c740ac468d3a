//! Tests of the HTTP client libraries of Python, Go and Node.

use std::process::Command;

use super::form::ProxyListener::{self, Clear, Secure, SecureHttp1};
use super::form::RequestForm;
use super::outcome::ClientOutcome;
use super::setup::{TestOrigin, TestSetup};
use super::tool::ClientTool;

/// For each listener, a forwarded request in clear and a tunnel for TLS.
fn cases(
    setup: &TestSetup,
    listeners: [ProxyListener; 2],
) -> impl Iterator<Item = (RequestForm, TestOrigin)> {
    let (http, https) = (setup.http(), setup.https());
    let each =
        move |listener: ProxyListener| [(listener.forward(), http), (listener.tunnel(), https)];
    listeners.into_iter().flat_map(each)
}

/// Tests a library of Python. `environment` lists the listeners that it can take from the environment, because not every
/// library supports a proxy over TLS there.
fn python(library: &str, environment: &[ProxyListener]) {
    let Some(tool) = ClientTool::python("fetch.py") else {
        return;
    };
    let setup = TestSetup::start();
    let ca = setup.file("ca.pem");
    let ask = |mut command: Command, url: &str| {
        // Some libraries have no setting for the CA of a proxy.
        command.env("SSL_CERT_FILE", &ca);
        command.args([library, url, "--ca"]).arg(&ca);
        command
    };
    for (form, origin) in cases(&setup, ProxyListener::COMMON) {
        let proxy = setup.proxy(form.listener);
        setup.check(form, origin, |url| {
            ClientOutcome::of(ask(tool.command(), url).args(["--proxy", &proxy]))
        });
        if environment.contains(&form.listener) {
            setup.check(form, origin, |url| {
                ClientOutcome::of(&mut ask(tool.command_through(&proxy), url))
            });
        }
    }
}

#[test]
fn requests_goes_through() {
    python("requests", &ProxyListener::COMMON);
}

#[test]
fn httpx_goes_through() {
    python("httpx", &ProxyListener::COMMON);
}

#[test]
fn aiohttp_goes_through() {
    python("aiohttp", &[Clear]);
}

/// Over TLS, net/http selects HTTP/2 with a proxy and then sends a CONNECT of HTTP/1.1, which is understood all the same.
/// It does not send any other request that way.
#[test]
fn net_http_of_go_goes_through() {
    let Some(tool) = ClientTool::go() else { return };
    let setup = TestSetup::start();
    let also = [(Secure.tunnel(), setup.https())];
    for (form, origin) in cases(&setup, [Clear, SecureHttp1]).chain(also) {
        setup.check(form, origin, |url| {
            let mut command = tool.command_through(&setup.proxy(form.listener));
            ClientOutcome::of(command.args(["fetch", url]).arg(setup.file("ca.pem")))
        });
    }
}

/// undici opens tunnels for `http` URLs as well.
#[test]
fn undici_of_node_goes_through() {
    let Some(tool) = ClientTool::node("fetch.cjs") else {
        return;
    };
    let setup = TestSetup::start();
    for (form, origin) in cases(&setup, ProxyListener::COMMON) {
        let (form, proxy) = (form.listener.tunnel(), setup.proxy(form.listener));
        setup.check(form, origin, |url| {
            let mut command = tool.command();
            ClientOutcome::of(command.arg(url).arg(setup.file("ca.pem")).arg(&proxy))
        });
        setup.check(form, origin, |url| {
            let mut command = tool.command_through(&proxy);
            ClientOutcome::of(command.arg(url).arg(setup.file("ca.pem")))
        });
    }
}

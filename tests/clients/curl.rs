//! Tests of curl with each of its ways to use a proxy.

use super::form::ProxyListener::{self, Clear, Passthrough, Secure};
use super::form::RequestForm;
use super::outcome::ClientOutcome;
use super::setup::{TestOrigin, TestSetup};
use super::tool::ClientTool;

/// curl, and the servers that it talks to.
struct CurlClient {
    tool: ClientTool,
    setup: TestSetup,
}

impl CurlClient {
    fn new(tool: Option<ClientTool>) -> Option<Self> {
        tool.map(|tool| Self {
            tool,
            setup: TestSetup::start(),
        })
    }

    fn check(&self, form: RequestForm, origin: TestOrigin, arguments: &[&str]) {
        let ca = self.setup.file("ca.pem");
        self.setup.check(form, origin, |url| {
            let mut command = self.tool.command();
            command
                .args(["--disable", "--silent", "--show-error", "--max-time", "20"])
                .arg("--cacert")
                .arg(&ca)
                .arg("--proxy-cacert")
                .arg(&ca)
                .args(arguments)
                .arg(url);
            ClientOutcome::of_curl(&mut command)
        });
    }

    /// Connects to the gateway as if it were the host of the URL.
    fn check_routed(&self, form: RequestForm, origin: TestOrigin, arguments: &[&str]) {
        let there = format!(":{}:{}", origin.port, self.setup.address(form.listener));
        self.check(
            form,
            origin,
            &[arguments, &["--connect-to", &there]].concat(),
        );
    }
}

#[test]
fn curl_asks_the_proxy() {
    let Some(curl) = CurlClient::new(ClientTool::curl()) else {
        return;
    };
    let (http, https) = (curl.setup.http(), curl.setup.https());
    for listener in ProxyListener::COMMON {
        let proxy = curl.setup.proxy(listener);
        let (forward, tunnel) = (listener.forward(), listener.tunnel());
        curl.check(forward, http, &["--proxy", &proxy]);
        curl.check(tunnel, https, &["--proxy", &proxy]);
        curl.check(tunnel, http, &["--proxy", &proxy, "--proxytunnel"]);
    }
    let proxy = curl.setup.proxy(Clear);
    curl.check(Clear.forward(), http, &["--proxy1.0", &proxy]);
    curl.check(Clear.tunnel(), https, &["--proxy1.0", &proxy]);
}

#[test]
fn curl_asks_the_proxy_by_http2() {
    let Some(curl) = CurlClient::new(ClientTool::curl_with("--proxy-http2")) else {
        return;
    };
    let proxy = curl.setup.proxy(Secure);
    let arguments = ["--proxy", &proxy, "--proxy-http2", "--proxytunnel"];
    let form = Secure.tunnel().over_http2();
    curl.check(form, curl.setup.http(), &arguments);
    curl.check(form, curl.setup.https(), &arguments);
}

#[test]
fn curl_is_routed_by_host() {
    let Some(curl) = CurlClient::new(ClientTool::curl()) else {
        return;
    };
    let http = curl.setup.http();
    // The gateway terminates TLS, and the upstream is the same server.
    let https = TestOrigin {
        prefix: "https://",
        ..http
    };
    curl.check_routed(Clear.forward(), http, &[]);
    curl.check_routed(
        Clear.forward().over_http2(),
        http,
        &["--http2-prior-knowledge"],
    );
    curl.check_routed(Secure.forward(), https, &["--http1.1"]);
    curl.check_routed(Secure.forward().over_http2(), https, &["--http2"]);
}

/// With TLS passthrough, curl verifies the certificate of the upstream.
#[test]
fn curl_is_passed_on_by_name() {
    let Some(curl) = CurlClient::new(ClientTool::curl()) else {
        return;
    };
    curl.check_routed(Passthrough.forward(), curl.setup.https(), &[]);
}

#[test]
fn curl_takes_the_proxy_from_the_environment() {
    let Some(tool) = ClientTool::curl() else {
        return;
    };
    let setup = TestSetup::start();
    let cases = [
        (Clear.forward(), setup.http()),
        (Clear.tunnel(), setup.https()),
    ];
    for (form, origin) in cases {
        setup.check(form, origin, |url| {
            let mut command = tool.command_through(&setup.proxy(Clear));
            command
                .args(["--disable", "--silent", "--show-error", "--max-time", "20"])
                .arg("--cacert")
                .arg(setup.file("ca.pem"))
                .arg(url);
            ClientOutcome::of_curl(&mut command)
        });
    }
}

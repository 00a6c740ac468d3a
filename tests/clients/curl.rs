//! curl, by each way it has to a proxy.

use super::lab::{Lab, Site};
use super::outcome::Outcome;
use super::tool::Tool;
use super::way::Listener::{self, Clear, Passthrough, Secure};
use super::way::Way;

/// curl and the lab that it is used in.
struct Curl {
    tool: Tool,
    lab: Lab,
}

impl Curl {
    fn new(tool: Option<Tool>) -> Option<Self> {
        tool.map(|tool| Self {
            tool,
            lab: Lab::start(),
        })
    }

    fn check(&self, way: Way, site: Site, arguments: &[&str]) {
        let ca = self.lab.file("ca.pem");
        self.lab.check(way, site, |url| {
            let mut command = self.tool.command();
            command
                .args(["--disable", "--silent", "--show-error", "--max-time", "20"])
                .arg("--cacert")
                .arg(&ca)
                .arg("--proxy-cacert")
                .arg(&ca)
                .args(arguments)
                .arg(url);
            Outcome::of_curl(&mut command)
        });
    }

    /// Goes to the proxy as if it were the host of the URL.
    fn check_routed(&self, way: Way, site: Site, arguments: &[&str]) {
        let there = format!(":{}:{}", site.port, self.lab.address(way.listener));
        self.check(way, site, &[arguments, &["--connect-to", &there]].concat());
    }
}

#[test]
fn curl_asks_the_proxy() {
    let Some(curl) = Curl::new(Tool::curl()) else {
        return;
    };
    let (http, https) = (curl.lab.http(), curl.lab.https());
    for listener in Listener::COMMON {
        let proxy = curl.lab.proxy(listener);
        let (forward, tunnel) = (listener.forward(), listener.tunnel());
        curl.check(forward, http, &["--proxy", &proxy]);
        curl.check(tunnel, https, &["--proxy", &proxy]);
        curl.check(tunnel, http, &["--proxy", &proxy, "--proxytunnel"]);
    }
    let proxy = curl.lab.proxy(Clear);
    curl.check(Clear.forward(), http, &["--proxy1.0", &proxy]);
    curl.check(Clear.tunnel(), https, &["--proxy1.0", &proxy]);
}

#[test]
fn curl_asks_the_proxy_by_http2() {
    let Some(curl) = Curl::new(Tool::curl_with("--proxy-http2")) else {
        return;
    };
    let proxy = curl.lab.proxy(Secure);
    let arguments = ["--proxy", &proxy, "--proxy-http2", "--proxytunnel"];
    let way = Secure.tunnel().over_http2();
    curl.check(way, curl.lab.http(), &arguments);
    curl.check(way, curl.lab.https(), &arguments);
}

#[test]
fn curl_is_routed_by_host() {
    let Some(curl) = Curl::new(Tool::curl()) else {
        return;
    };
    let http = curl.lab.http();
    // TLS ends at the proxy: behind it is the same server.
    let https = Site {
        before: "https://",
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

/// The TLS is that of the server.
#[test]
fn curl_is_passed_on_by_name() {
    let Some(curl) = Curl::new(Tool::curl()) else {
        return;
    };
    curl.check_routed(Passthrough.forward(), curl.lab.https(), &[]);
}

#[test]
fn curl_takes_the_proxy_from_the_environment() {
    let Some(tool) = Tool::curl() else { return };
    let lab = Lab::start();
    let cases = [(Clear.forward(), lab.http()), (Clear.tunnel(), lab.https())];
    for (way, site) in cases {
        lab.check(way, site, |url| {
            let mut command = tool.command_through(&lab.proxy(Clear));
            command
                .args(["--disable", "--silent", "--show-error", "--max-time", "20"])
                .arg("--cacert")
                .arg(lab.file("ca.pem"))
                .arg(url);
            Outcome::of_curl(&mut command)
        });
    }
}

//! curl, by each way it has to a proxy.

use super::lab::{Form, Lab, Site};
use super::outcome::Outcome;
use super::tool::Tool;

fn curl(tool: &Tool, lab: &Lab, arguments: &[&str], url: &str) -> Outcome {
    let mut command = tool.command();
    command
        .args(["--disable", "--silent", "--show-error", "--max-time", "20"])
        .arg("--cacert")
        .arg(lab.file("ca.pem"));
    Outcome::of_curl(command.args(arguments).arg(url))
}

/// Goes to the proxy as if it were the host of the URL.
fn connect_to(site: Site, lab: &Lab) -> String {
    format!(":{}:{}", site.port, lab.address())
}

#[test]
fn curl_asks_the_proxy() {
    let Some(tool) = Tool::curl() else { return };
    let lab = Lab::start();
    let proxy = lab.proxy();
    let ask = |arguments: &[&str], form, site| {
        lab.check(form, site, |url| curl(&tool, &lab, arguments, url));
    };
    ask(&["--proxy", &proxy], Form::Forward, lab.http());
    ask(&["--proxy", &proxy], Form::Tunnel, lab.https());
    ask(
        &["--proxy", &proxy, "--proxytunnel"],
        Form::Tunnel,
        lab.http(),
    );
    ask(&["--proxy1.0", &proxy], Form::Tunnel, lab.https());
    ask(&["--proxy1.0", &proxy], Form::Forward, lab.http());
}

#[test]
fn curl_is_routed_by_host() {
    let Some(tool) = Tool::curl() else { return };
    let lab = Lab::start();
    let site = lab.http();
    let there = connect_to(site, &lab);
    lab.check(Form::Forward, site, |url| {
        curl(&tool, &lab, &["--connect-to", &there], url)
    });
}

#[test]
fn curl_takes_the_proxy_from_the_environment() {
    let Some(tool) = Tool::curl() else { return };
    let lab = Lab::start();
    for (form, site) in [(Form::Forward, lab.http()), (Form::Tunnel, lab.https())] {
        lab.check(form, site, |url| {
            let mut command = tool.command();
            command
                .env("http_proxy", lab.proxy())
                .env("https_proxy", lab.proxy())
                .args(["--disable", "--silent", "--show-error", "--max-time", "20"])
                .arg("--cacert")
                .arg(lab.file("ca.pem"))
                .arg(url);
            Outcome::of_curl(&mut command)
        });
    }
}

//! Tunnels through the built binary: with curl, and many at once.

use std::process::{Command, Output};

use egret_testkit::client::connect_request;
use egret_testkit::gateway::{LOOPBACK, resolver_policy};
use egret_testkit::{Client, DnsServer, Upstream};

use super::served::{ServeSetup, ServedProcess};

fn serve(dns: &DnsServer) -> ServedProcess {
    let text = format!("{LOOPBACK}---\n{}", resolver_policy(dns.addr(), ""));
    ServedProcess::start(&[("policies.yaml", &text)])
}

/// Runs curl without its configuration file and without proxy variables.
pub(crate) fn curl(arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
        .args(["--disable", "--silent", "--show-error", "--max-time", "10"])
        .args(arguments)
        .output()
        .expect("curl")
}

pub(crate) fn has_curl() -> bool {
    Command::new("curl").arg("--version").output().is_ok()
}

#[test]
fn curl_goes_through_with_and_without_a_tunnel() {
    if !has_curl() {
        eprintln!("there is no curl here to test with");
        return;
    }
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
    let served = serve(&dns);
    let proxy = format!("http://{}", served.setup.address);
    let url = format!("http://a.example:{}/bytes/1000000", upstream.port());
    for form in [
        &["--proxy", &proxy][..],
        &["--proxy", &proxy, "--proxytunnel"],
        &["--proxy1.0", &proxy, "--proxytunnel"],
    ] {
        let output = curl(&[form, &[&url, &url]].concat());
        assert!(output.status.success(), "{form:?}: {output:?}");
        assert_eq!(output.stdout.len(), 2_000_000, "{form:?}");
    }
    // Each of the two tunnels carried both requests.
    assert_eq!(upstream.connections(), 3);
    let denied = curl(&["--proxy", &proxy, "--proxytunnel", "http://10.0.0.1/"]);
    let told = String::from_utf8_lossy(&denied.stderr);
    assert!(told.contains("403"), "{denied:?}");
}

/// An idle tunnel holds two sockets and little memory.
#[test]
fn idle_tunnels_take_little_memory() {
    const COUNT: u64 = 300;
    let (dns, upstream) = (DnsServer::start(), Upstream::start());
    dns.a("a.example", ["127.0.0.1"], 60);
    let text = format!("{LOOPBACK}---\n{}", resolver_policy(dns.addr(), ""));
    let setup = ServeSetup::new(&[("policies.yaml", &text)]);
    // With huge pages the memory would grow by 2 MB at a time.
    let served = setup.start(|command| {
        command.env("MIMALLOC_ALLOW_THP", "0");
    });
    let authority = format!("a.example:{}", upstream.port());
    let open = || {
        let mut client = Client::connect(served.setup.address);
        let head = connect_request(&authority);
        assert_eq!(client.request(head).status, 200);
        assert_eq!(client.get("/bytes/100000", &authority).body.len(), 100_000);
        client
    };
    // The first tunnels allocate what all tunnels share, which is not counted.
    let first: Vec<_> = (0..10).map(|_| open()).collect();
    let before = served.memory("VmRSS:");
    let more: Vec<_> = (0..COUNT).map(|_| open()).collect();
    let each = served.memory("VmRSS:").saturating_sub(before) * 1024 / COUNT;
    println!("{each} bytes for an idle tunnel");
    assert!(each < 8 * 1024, "{each} bytes for an idle tunnel");
    drop((first, more));
}

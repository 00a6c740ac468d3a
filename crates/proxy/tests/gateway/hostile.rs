//! Hostile DNS servers: whatever they answer, no internal address is reached, and the gateway keeps working.

use egret_testkit::dns::{Hostile, RecordType};
use egret_testkit::gateway::{QUICKSTART, documents, resolver_policy};
use egret_testkit::{DnsServer, Gateway, Upstream};

/// The quickstart configuration without exceptions, so that loopback, where an upstream listens, is denied.
fn gateway(dns: &DnsServer) -> Gateway {
    Gateway::start(&documents(&[
        QUICKSTART,
        &resolver_policy(dns.addr(), "  queryTimeout: 1s\n"),
    ]))
}

#[test]
fn whatever_a_resolver_says_nothing_inside_is_reached() {
    let (dns, inside) = (DnsServer::start(), Upstream::start());
    dns.a("plain.example", ["127.0.0.1"], 60);
    dns.aaaa(
        "mapped.example",
        ["::ffff:127.0.0.1", "64:ff9b::7f00:1"],
        60,
    );
    dns.a("metadata.example", ["169.254.169.254", "10.0.0.1"], 60);
    dns.cname_chain(
        &["alias.example", "db.internal"],
        ["127.0.0.1", "192.168.0.1"],
        60,
    );
    let gateway = gateway(&dns);
    for name in [
        "plain.example",
        "mapped.example",
        "metadata.example",
        "alias.example",
    ] {
        let response = gateway.get(&format!("{name}:{}", inside.port()), "/");
        assert_eq!(response.status, 403, "{name}");
        let status = response.header("proxy-status").expect("a reason");
        assert!(
            status.contains("error=destination_ip_prohibited"),
            "{name}: {status}"
        );
    }
    assert_eq!(inside.connections(), 0);
    assert!(gateway.metric("egret_addresses_denied_total") >= 7.0);
    let slip = egret_testkit::Client::connect(gateway.admin()).request(format!(
        "POST /dns/flush?name=plain.example HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n\r\n",
        gateway.admin()
    ));
    assert_eq!(slip.status, 400);
}

#[test]
fn an_answer_that_flips_with_each_question_is_judged_each_time() {
    let (dns, inside) = (DnsServer::start(), Upstream::start());
    // The first address is for documentation (RFC 5737), which is denied as well.
    let answers = ["192.0.2.1", "127.0.0.1"].map(|ip| egret_testkit::dns::Answer::a([ip], 0));
    dns.sequence(("flip.example", RecordType::A), answers);
    let gateway = gateway(&dns);
    let host = format!("flip.example:{}", inside.port());
    for _ in 0..4 {
        assert_eq!(gateway.get(&host, "/").status, 403);
    }
    assert_eq!(inside.connections(), 0);
}

#[test]
fn lies_and_junk_are_dns_failures_and_the_next_name_is_fine() {
    let (dns, inside) = (DnsServer::start(), Upstream::start());
    let lies = [
        Hostile::WrongId,
        Hostile::WrongQuestion,
        Hostile::WrongOwner,
        Hostile::WrongType,
        Hostile::Garbage(vec![0xff; 40]),
        Hostile::Garbage(Vec::new()),
    ];
    let gateway = gateway(&dns);
    for (number, lie) in lies.into_iter().enumerate() {
        let name = format!("lie{number}.example");
        dns.hostile(name.as_str(), lie.clone());
        let response = gateway.get(&format!("{name}:{}", inside.port()), "/");
        assert!([502, 504].contains(&response.status), "{lie:?}");
    }
    dns.cname_loop("one.example", "other.example", 60);
    let response = gateway.get(&format!("one.example:{}", inside.port()), "/");
    assert_eq!(response.status, 502);
    // A thousand addresses, which are truncated over UDP and are all denied.
    dns.many("many.example", 1000, 60);
    let response = gateway.get(&format!("many.example:{}", inside.port()), "/");
    assert_eq!(response.status, 403);
    let caches = gateway.ask("/dns").json();
    let caches = caches.as_array().expect("caches").iter();
    let mut names = caches.flat_map(|cache| cache["names"].as_array().expect("names"));
    let many = names.find(|name| name["name"] == "many.example");
    let addresses = many.expect("the name")["addresses"].as_array();
    let addresses = addresses.expect("its addresses");
    assert!(addresses.len() <= 128, "{}", addresses.len());
    assert_eq!(inside.connections(), 0);
}

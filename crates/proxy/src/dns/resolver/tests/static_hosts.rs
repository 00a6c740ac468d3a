//! Tests of names that are never queried.

use super::*;

#[tokio::test(start_paused = true)]
async fn given_hosts_and_localhost_are_never_asked_for() {
    let hosts = [
        ("both.test", vec![A, AAAA]),
        ("four.test", vec![A]),
        ("localhost", vec!["192.0.2.9"]),
    ];
    let hosts = hosts.map(|(text, addresses)| {
        (
            name(text),
            addresses.iter().map(|text| text.parse().unwrap()).collect(),
        )
    });
    let test = TestResolver::new(ResolverSettings {
        hosts: hosts.into(),
        ..ResolverSettings::default()
    });
    test.expect("Both.Test.", &format!("static {AAAA},{A}"))
        .await;
    test.expect("localhost", "static 192.0.2.9").await;
    test.expect("a.localhost", "localhost 127.0.0.1,::1").await;
    test.expect("notlocalhost", "miss nodata").await;
    assert_eq!(test.fake.take_queries(), 2);
    test.change(|settings| settings.family = LookupFamily::V6Only);
    test.expect("both.test", &format!("static {AAAA}")).await;
    test.expect("four.test", "static nodata").await;
    test.expect("a.localhost", "localhost ::1").await;
    test.change(|settings| settings.family = LookupFamily::V6Preferred);
    test.expect("a.localhost", "localhost ::1,127.0.0.1").await;
    test.change(|settings| settings.hosts.clear());
    test.expect("localhost", "localhost ::1,127.0.0.1").await;
    assert_eq!(test.fake.take_queries(), 0);
    assert_eq!(test.resolver.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_hosts_file_answers_for_the_systems_servers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    std::fs::write(
        &path,
        format!("{A} a.test given.test\n{AAAA} a.test six.test\n192.0.2.9 localhost\n"),
    )
    .unwrap();
    let file = HostsFile::open(Some(path.clone()));
    let test = TestResolver::with_hosts_file(
        ResolverSettings {
            hosts: [(name("given.test"), vec!["192.0.2.3".parse().unwrap()])].into(),
            family: LookupFamily::V4Preferred,
            ..ResolverSettings::default()
        },
        &file,
    );
    test.expect("A.test.", &format!("static {A},{AAAA}")).await;
    test.expect("given.test", "static 192.0.2.3").await;
    test.expect("localhost", "localhost 127.0.0.1,::1").await;
    test.expect("six.test", &format!("static {AAAA}")).await;
    assert_eq!(test.fake.take_queries(), 0);
    // DNS may know what the file does not.
    test.change(|settings| settings.family = LookupFamily::V4Only);
    test.expect("six.test", "miss nodata").await;
    test.expect("a.test", &format!("static {A}")).await;

    std::fs::write(&path, "192.0.2.33 a.test\n").unwrap();
    file.reload_if_changed();
    test.expect("a.test", &format!("static {A}")).await;
    wait(2).await;
    test.expect("a.test", "static 192.0.2.33").await;
    assert_eq!(test.resolver.settings().family, LookupFamily::V4Only);
    test.change(|settings| {
        settings.servers.push(egret_config::snapshot::NameServer {
            address: "192.0.2.53:53".parse().unwrap(),
            protocol: egret_config::snapshot::DnsProtocol::Udp,
        });
    });
    test.expect("a.test", "miss nodata").await;
    test.expect("given.test", "static 192.0.2.3").await;
}

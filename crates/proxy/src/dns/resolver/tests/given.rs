//! What is never asked for.

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
    let world = World::new(ResolverSettings {
        hosts: hosts.into(),
        ..ResolverSettings::default()
    });
    world
        .expect("Both.Test.", &format!("static {AAAA},{A}"))
        .await;
    world.expect("localhost", "static 192.0.2.9").await;
    world.expect("a.localhost", "localhost 127.0.0.1,::1").await;
    world.expect("notlocalhost", "miss nodata").await;
    assert_eq!(world.fake.taken(), 2);
    world.change(|settings| settings.family = LookupFamily::V6Only);
    world.expect("both.test", &format!("static {AAAA}")).await;
    world.expect("four.test", "static nodata").await;
    world.expect("a.localhost", "localhost ::1").await;
    world.change(|settings| settings.family = LookupFamily::V6Preferred);
    world.expect("a.localhost", "localhost ::1,127.0.0.1").await;
    world.change(|settings| settings.hosts.clear());
    world.expect("localhost", "localhost ::1,127.0.0.1").await;
    assert_eq!(world.fake.taken(), 0);
    assert_eq!(world.resolver.len(), 1);
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
    let world = World::with_hosts_file(
        ResolverSettings {
            hosts: [(name("given.test"), vec!["192.0.2.3".parse().unwrap()])].into(),
            family: LookupFamily::V4Preferred,
            ..ResolverSettings::default()
        },
        &file,
    );
    world.expect("A.test.", &format!("static {A},{AAAA}")).await;
    world.expect("given.test", "static 192.0.2.3").await;
    world.expect("localhost", "localhost 127.0.0.1,::1").await;
    world.expect("six.test", &format!("static {AAAA}")).await;
    assert_eq!(world.fake.taken(), 0);
    // DNS may know what the file does not.
    world.change(|settings| settings.family = LookupFamily::V4Only);
    world.expect("six.test", "miss nodata").await;
    world.expect("a.test", &format!("static {A}")).await;

    std::fs::write(&path, "192.0.2.33 a.test\n").unwrap();
    file.check();
    world.expect("a.test", &format!("static {A}")).await;
    wait(2).await;
    world.expect("a.test", "static 192.0.2.33").await;
    assert_eq!(world.resolver.settings().family, LookupFamily::V4Only);
    world.change(|settings| {
        settings.servers.push(egret_config::snapshot::NameServer {
            address: "192.0.2.53:53".parse().unwrap(),
            protocol: egret_config::snapshot::DnsProtocol::Udp,
        });
    });
    world.expect("a.test", "miss nodata").await;
    world.expect("given.test", "static 192.0.2.3").await;
}

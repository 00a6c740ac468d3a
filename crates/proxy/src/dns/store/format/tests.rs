//! Tests that lines which were written are read again, and that damaged lines are left out.

use std::time::Duration;

use egret_config::snapshot::{DnsProtocol, LookupFamily, NameServer, ResolverId, ResolverSettings};

use super::*;

fn wall(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn saved(name: &str, idle: u64) -> SavedEntry {
    let addresses: Vec<_> = ["2001:db8::1", "192.0.2.1"]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    SavedEntry {
        name: name.parse().unwrap(),
        addresses: addresses.into(),
        family: LookupFamily::V6Preferred,
        ttl: Duration::from_secs(300),
        age: Duration::from_millis(1500),
        idle: Duration::from_secs(idle),
    }
}

fn system() -> CacheOwner {
    CacheOwner::new(&ResolverId::System, &ResolverSettings::default(), b"")
}

/// Two names, and the text of a file that holds them.
fn two() -> (Vec<SavedEntry>, String) {
    let names = vec![saved("a.test", 1), saved("b.test", 2)];
    let owner = system();
    let text = encode(
        names.iter().cloned().map(|saved| (&owner, saved)).collect(),
        wall(0),
    );
    (names, text)
}

#[test]
fn what_is_written_is_read_with_the_age_of_its_time() {
    let (mut names, text) = two();
    assert_eq!(text.lines().count(), 3);
    names.reverse();
    for (seconds, age) in [(0, 1500), (60, 61_500), (3600, 3_601_500)] {
        let stored = decode(text.as_bytes(), wall(seconds));
        names
            .iter_mut()
            .for_each(|saved| saved.age = Duration::from_millis(age));
        assert_eq!(stored.bad, []);
        assert_eq!(stored.names, [(system(), names.clone())].into());
    }
    // The clock went back.
    let stored = decode(text.as_bytes(), wall(0) - Duration::from_secs(9));
    let names = &stored.names[&system()];
    assert!(
        names
            .iter()
            .all(|saved| saved.age == Duration::ZERO && saved.ttl.as_secs() == 300)
    );
}

#[test]
fn a_damaged_line_is_left_out_and_named() {
    let (_, text) = two();
    let lines: Vec<_> = text.lines().collect();
    for (damaged, bad) in [
        (text.replace("192.0.2.1", "192.0.2.7"), vec![2, 3]),
        (text.replace("a.test", "c.test"), vec![2]),
        (text.replace("b.test", "b.test "), vec![3]),
        (text.replace("a.test", "\u{fffd}"), vec![2]),
        (text[..text.len() - 1].to_owned(), vec![3]),
        (text[..text.len() - 9].to_owned(), vec![3]),
        (format!("{text}\n"), vec![4]),
        (format!("{text}nonsense\n"), vec![4]),
        (format!("{}\n\n{}\n", lines[0], lines[1]), vec![2]),
        (text.replace(HEADER, "egret dns 2"), vec![1]),
        (text.replace(HEADER, ""), vec![1]),
        (HEADER.to_owned(), vec![1]),
        (String::new(), vec![1]),
        ("\n".to_owned(), vec![1]),
    ] {
        let stored = decode(damaged.as_bytes(), wall(0));
        let lines: Vec<_> = stored.bad.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, bad, "{damaged}");
        let good: usize = stored.names.values().map(Vec::len).sum();
        let whole = damaged
            .lines()
            .count()
            .saturating_sub(1)
            .saturating_sub(bad.len());
        assert_eq!(good, if bad == [1] { 0 } else { whole }, "{damaged}");
    }
    let mut bytes = text.into_bytes();
    bytes[40] = 0xff;
    assert_eq!(decode(&bytes, wall(0)).bad.len(), 1);
}

#[test]
fn a_line_that_nobody_wrote_is_no_name() {
    for (line, part) in [
        ("1 a.test Auto 60 0 0 192.0.2.1 system", ""),
        ("x a.test Auto 60 0 0 192.0.2.1 system", "\"x\""),
        ("1 a..test Auto 60 0 0 192.0.2.1 system", "\"a..test\""),
        ("1 a.test Both 60 0 0 192.0.2.1 system", "\"Both\""),
        ("1 a.test Auto -1 0 0 192.0.2.1 system", "\"-1\""),
        ("1 a.test Auto 60 0 0  system", "\"\""),
        ("1 a.test Auto 60 0 0 localhost system", "\"localhost\""),
        ("1 a.test Auto 60 0 0 192.0.2.1", "no resolver"),
        ("1 a.test", "no family"),
        ("", "empty"),
    ] {
        match line::decode(line, wall(0)) {
            Ok(_) => assert_eq!(part, "", "{line}"),
            Err(error) => assert!(!part.is_empty() && error.contains(part), "{line}: {error}"),
        }
    }
    let many = vec!["192.0.2.1"; 129].join(",");
    assert!(line::decode(&format!("1 a.test Auto 60 0 0 {many} system"), wall(0)).is_err());
}

#[test]
fn only_the_names_used_last_are_written() {
    let owner = system();
    let names = (0..60_000).map(|index| (&owner, saved(&format!("n{index}.test"), index)));
    let mut names: Vec<_> = names.collect();
    names.reverse();
    let text = encode(names, wall(0));
    assert_eq!(text.lines().count(), 1 + MAX_NAMES);
    assert!(text.lines().nth(1).unwrap().contains(" n0.test "));
    assert!(text.lines().last().unwrap().contains(" n49999.test "));
}

#[test]
fn other_servers_are_another_owner() {
    let settings = ResolverSettings::default();
    let mut servers = settings.clone();
    servers.servers.push(NameServer {
        address: "192.0.2.53:53".parse().unwrap(),
        protocol: DnsProtocol::Udp,
    });
    let mut search = servers.clone();
    search.search.push("x.test".parse().unwrap());
    let mut stale = servers.clone();
    stale.stale_for = Duration::ZERO;
    let id = ResolverId::System;
    let owner = |settings| CacheOwner::new(&id, settings, b"nameserver 192.0.2.1");
    assert_ne!(owner(&settings), owner(&servers));
    assert_ne!(owner(&servers), owner(&search));
    assert_eq!(owner(&servers), owner(&stale));
    // The system's servers count where they are queried.
    let elsewhere = |settings| CacheOwner::new(&id, settings, b"nameserver 192.0.2.2");
    assert_ne!(owner(&settings), elsewhere(&settings));
    assert_eq!(owner(&servers), elsewhere(&servers));
}

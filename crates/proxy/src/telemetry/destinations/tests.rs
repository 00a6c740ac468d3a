//! Tests of the counts by destination.

use std::time::SystemTime;

use egret_config::name::{DnsName, Port};

use super::*;
use crate::clock;
use crate::record::ExchangeEnd;
use crate::refusal::Reason;

/// Counts one exchange with a host.
fn count(table: &DestinationTable, host: &str, end: Option<ExchangeEnd>, now: Instant) {
    let host: Host = host.parse().unwrap();
    let record = Record {
        destination: Some((&host, Port::new(443).unwrap())),
        duration: Duration::from_millis(3),
        request_bytes: 1,
        response_bytes: 2,
        end,
        ..Record::default()
    };
    table.count(&record, Some(&host), end.and_then(ExchangeOutcome::of), now);
}

fn known(table: &DestinationTable, host: &str) -> Option<Destination> {
    let host = host.parse().unwrap();
    table.get_all([&host]).pop().unwrap()
}

#[test]
fn what_is_known_of_a_destination() {
    let table = DestinationTable::with_capacity(8);
    let now = clock::now();
    let millis = |now| table.tables().epoch.unix_millis(now);
    let later = now + Duration::from_secs(61 * 60);
    count(&table, "a.test", None, now);
    let denied = Some(ExchangeEnd::Refused(Reason::EgressPolicy));
    count(&table, "a.test", denied, later);
    let failed = Some(ExchangeEnd::Refused(Reason::DnsError));
    count(&table, "a.test", failed, later);
    count(&table, "a.test", failed, later);
    let Destination {
        counts,
        seen,
        minutes,
    } = known(&table, "a.test").unwrap();
    assert_eq!(
        (
            counts.requests,
            counts.refused,
            counts.failed,
            counts.errors()
        ),
        (4, 1, 2, 3)
    );
    assert_eq!(counts.reasons, [("egress_policy", 1), ("dns_error", 2)]);
    assert_eq!(
        (counts.bytes_sent, counts.bytes_received, counts.bytes()),
        (4, 8, 12)
    );
    assert_eq!(counts.latency.count(), 4);
    assert_eq!((seen.first, seen.last), (millis(now), millis(later)));
    let hour = minutes.until(millis(later) / 60_000);
    assert_eq!((hour[MINUTES - 1], hour.iter().sum()), (3, 3));
}

#[test]
fn what_a_client_named_counts_where_nothing_was_planned() {
    let name: DnsName = "front.test".parse().unwrap();
    let record = |authority, sni| Record {
        authority,
        sni,
        ..Record::default()
    };
    for (record, expected) in [
        (record(Some("a.test:8080"), None), Some("a.test")),
        (record(Some("[2001:db8::1]"), None), Some("[2001:db8::1]")),
        (record(None, Some(&name)), Some("front.test")),
        (record(Some("no host"), None), None),
        (record(None, None), None),
    ] {
        let host = host_of(&record).map(|host| host.to_string());
        assert_eq!(host.as_deref(), expected);
    }
}

#[test]
fn those_without_a_place_are_counted_by_domain_and_nothing_is_lost() {
    let table = DestinationTable::with_capacity(8);
    let now = clock::now();
    for index in 0..100 {
        count(&table, &format!("h{index}.example.com"), None, now);
        count(&table, &format!("192.0.2.{index}"), None, now);
    }
    table.count(&Record::default(), None, None, now);
    let DestinationList {
        names,
        domains,
        rest,
    } = table.list();
    assert_eq!(names.len(), 8);
    let in_names: u64 = names.iter().map(|(_, _, counts)| counts.requests).sum();
    let [(domain, of_domain)] = &domains[..] else {
        panic!("{domains:?}");
    };
    assert_eq!(
        (&**domain, of_domain.bytes_sent),
        ("example.com", of_domain.requests)
    );
    assert_eq!(in_names + of_domain.requests + rest.requests, 201);
    assert_eq!(rest.requests, rest.bytes_sent + 1);
}

#[test]
fn the_memory_of_all_workers_is_bounded() {
    for workers in [1, 2, 3, 8, 64, 384] {
        let all = capacity_among(workers) as usize * workers;
        assert!(all <= MAX_DESTINATIONS as usize, "{workers}: {all}");
    }
    let of_name = size_of::<Destination>() + 3 * size_of::<Host>() + size_of::<(u64, u32)>();
    assert!(of_name * MAX_DESTINATIONS as usize <= 16 << 20, "{of_name}");
}

#[test]
fn the_time_of_day_follows_the_monotonic_clock() {
    let now = clock::now();
    let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(86_400_001);
    let epoch = Epoch::at(now, wall);
    let later = now + Duration::from_micros(1_500_700);
    assert_eq!(epoch.unix_millis(later), 86_401_501);
}

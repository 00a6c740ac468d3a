//! The memory of a cached name. The test is alone in its process, because it measures the memory of the process.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use egret_config::name::DnsName;
use egret_config::snapshot::{ResolverSettings, Scheme};
use egret_proxy::dns::family::AddressFamily;
use egret_proxy::dns::hosts_file::HostsFile;
use egret_proxy::dns::query::{AddressRecords, DnsClient, HttpsRecords, QueryFuture};
use egret_proxy::dns::{DnsFailure, Resolver};
use tokio::runtime::Handle;

/// The allocator of the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NAMES: u64 = 100_000;

/// A DNS client that answers every name with one address of each family.
struct FixedAnswers;

impl DnsClient for FixedAnswers {
    fn query_addresses(
        &self,
        _name: DnsName,
        family: AddressFamily,
    ) -> QueryFuture<AddressRecords> {
        let address = match family {
            AddressFamily::V4 => "192.0.2.1",
            AddressFamily::V6 => "2001:db8::1",
        };
        Box::pin(async move {
            Ok(AddressRecords {
                addresses: vec![address.parse().unwrap()],
                ttl: Duration::from_secs(3600),
            })
        })
    }

    fn query_https(&self, _name: DnsName) -> QueryFuture<HttpsRecords> {
        Box::pin(async { Err(DnsFailure::NoData.into()) })
    }
}

/// Resident memory in bytes.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim_end_matches("kB").trim();
    kib.parse::<u64>().unwrap() * 1024
}

async fn ask(resolver: &Resolver, from: u64, count: u64) {
    for index in from..from + count {
        let name: DnsName = format!("host-{index}.some-service.example")
            .parse()
            .unwrap();
        let resolved = resolver.resolve(&name, Scheme::Http).await.unwrap();
        assert_eq!(resolved.addresses.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_takes_less_than_a_kibibyte_and_gives_it_back() {
    let settings = Arc::new(ResolverSettings {
        max_hosts: usize::MAX,
        ..ResolverSettings::default()
    });
    let resolver = Resolver::new(
        settings,
        Arc::new(|_, _| Arc::new(FixedAnswers)),
        HostsFile::open(None),
        Handle::current(),
        Arc::default(),
    );
    // This allocates what is needed once.
    ask(&resolver, NAMES, 1000).await;
    let before = memory();
    ask(&resolver, 0, NAMES).await;
    let full = memory();
    assert_eq!(resolver.len() as u64, NAMES + 1000);
    let each = full.saturating_sub(before) / NAMES;
    assert!(each < 1024, "{each} bytes for a name");

    // The names are no longer used.
    tokio::time::sleep(Duration::from_secs(10 * 60)).await;
    assert_eq!(resolver.len(), 0);
    let grown = full - before;
    // The allocator returns freed pages to the system after a while, during other allocations.
    let left = || memory().saturating_sub(before);
    let mut rounds = 0;
    while left() >= grown / 10 && rounds < 5000 {
        rounds += 1;
        ask(&resolver, 0, 100).await;
        resolver.flush(None);
    }
    let left = left();
    println!("{each} bytes for a name; {left} of {grown} left after {rounds} rounds");
    assert!(left < grown / 10, "{left} of {grown} bytes are left");
}

//! Tests of how the answers of two families combine.

use super::*;

fn found(address: &str, ttl: u64) -> Result<AddressRecords, QueryError> {
    Ok(AddressRecords {
        addresses: vec![address.parse().unwrap()],
        ttl: Duration::from_secs(ttl),
    })
}

fn failed(failure: DnsFailure, ttl: Option<u64>) -> Result<AddressRecords, QueryError> {
    Err(QueryError {
        failure,
        ttl: ttl.map(Duration::from_secs),
    })
}

fn text(outcome: QueryOutcome) -> String {
    match outcome {
        QueryOutcome::Found { addresses, ttl, .. } => {
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            format!("{} {}", addresses.join(","), ttl.as_secs())
        }
        QueryOutcome::Failed { failure, ttl: None } => failure.label().to_owned(),
        QueryOutcome::Failed {
            failure,
            ttl: Some(ttl),
        } => format!("{} {}", failure.label(), ttl.as_secs()),
    }
}

#[test]
fn families_combine() {
    let nx = DnsFailure::NxDomain;
    for (v4, v6, expected) in [
        (
            found("192.0.2.1", 60),
            found("2001:db8::1", 90),
            "192.0.2.1,2001:db8::1 60",
        ),
        (
            found("192.0.2.1", 60),
            failed(DnsFailure::NoData, Some(5)),
            "192.0.2.1 60",
        ),
        (
            found("192.0.2.1", 60),
            failed(nx.clone(), None),
            "192.0.2.1 60",
        ),
        // The answer is incomplete, so its TTL is short.
        (
            found("192.0.2.1", 60),
            failed(DnsFailure::ServFail, None),
            "192.0.2.1 30",
        ),
        (
            failed(DnsFailure::Timeout, None),
            found("2001:db8::1", 9),
            "2001:db8::1 9",
        ),
        (
            failed(nx.clone(), Some(5)),
            failed(nx.clone(), Some(9)),
            "nxdomain 5",
        ),
        (
            failed(nx.clone(), Some(5)),
            failed(nx.clone(), None),
            "nxdomain",
        ),
        (
            failed(nx.clone(), Some(5)),
            failed(DnsFailure::NoData, Some(4)),
            "nodata 4",
        ),
        (
            failed(DnsFailure::NoData, Some(5)),
            failed(nx, Some(4)),
            "nodata 4",
        ),
        (
            failed(DnsFailure::NoData, Some(5)),
            failed(DnsFailure::Timeout, None),
            "timeout",
        ),
        (
            failed(DnsFailure::ServFail, None),
            failed(DnsFailure::NoData, Some(5)),
            "servfail",
        ),
        (
            failed(DnsFailure::Timeout, None),
            failed(DnsFailure::Refused, None),
            "refused",
        ),
        (
            failed(DnsFailure::ServFail, None),
            failed(DnsFailure::Timeout, None),
            "servfail",
        ),
    ] {
        let label = format!("{v4:?} {v6:?}");
        assert_eq!(text(combined(v4, v6)), expected, "{label}");
    }
}

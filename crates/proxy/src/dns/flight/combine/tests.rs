//! What two families come to.

use super::*;

fn found(address: &str, ttl: u64) -> Result<Records, QueryError> {
    Ok(Records {
        addresses: vec![address.parse().unwrap()],
        ttl: Duration::from_secs(ttl),
    })
}

fn failed(failure: Failure, ttl: Option<u64>) -> Result<Records, QueryError> {
    Err(QueryError {
        failure,
        ttl: ttl.map(Duration::from_secs),
    })
}

fn text(outcome: Outcome) -> String {
    match outcome {
        Outcome::Found { addresses, ttl, .. } => {
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            format!("{} {}", addresses.join(","), ttl.as_secs())
        }
        Outcome::Failed { failure, ttl: None } => failure.label().to_owned(),
        Outcome::Failed {
            failure,
            ttl: Some(ttl),
        } => format!("{} {}", failure.label(), ttl.as_secs()),
    }
}

#[test]
fn families_combine() {
    let nx = Failure::NxDomain;
    for (v4, v6, expected) in [
        (
            found("192.0.2.1", 60),
            found("2001:db8::1", 90),
            "192.0.2.1,2001:db8::1 60",
        ),
        (
            found("192.0.2.1", 60),
            failed(Failure::NoData, Some(5)),
            "192.0.2.1 60",
        ),
        (
            found("192.0.2.1", 60),
            failed(nx.clone(), None),
            "192.0.2.1 60",
        ),
        // Incomplete: asked for again soon.
        (
            found("192.0.2.1", 60),
            failed(Failure::ServFail, None),
            "192.0.2.1 30",
        ),
        (
            failed(Failure::Timeout, None),
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
            failed(Failure::NoData, Some(4)),
            "nodata 4",
        ),
        (
            failed(Failure::NoData, Some(5)),
            failed(nx, Some(4)),
            "nodata 4",
        ),
        (
            failed(Failure::NoData, Some(5)),
            failed(Failure::Timeout, None),
            "timeout",
        ),
        (
            failed(Failure::ServFail, None),
            failed(Failure::NoData, Some(5)),
            "servfail",
        ),
        (
            failed(Failure::Timeout, None),
            failed(Failure::Refused, None),
            "refused",
        ),
        (
            failed(Failure::ServFail, None),
            failed(Failure::Timeout, None),
            "servfail",
        ),
    ] {
        let label = format!("{v4:?} {v6:?}");
        assert_eq!(text(combined(v4, v6)), expected, "{label}");
    }
}

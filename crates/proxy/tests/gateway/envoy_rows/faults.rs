//! `faultInjection`.

use super::{Row, assert_rows, call, row};
use crate::with_policy::WithPolicy;

const ABORTED: &str = "fault filter abort";

fn start(fault: &str) -> WithPolicy {
    WithPolicy::start(&format!("faultInjection: {fault}"))
}

const fn aborted(status: u16) -> Row<'static> {
    row("a status", "GET /", "", status, Some(ABORTED))
}

#[test]
fn any_status_is_answered_with_the_same_words() {
    for status in [200, 418, 503, 599] {
        let setup = start(&format!("{{abort: {{httpStatus: {status}}}}}"));
        assert_rows(&setup, &[aborted(status)]);
        assert_eq!(setup.upstream.requests().len(), 0, "{status}");
    }
}

#[test]
fn a_status_of_grpc_is_a_status_of_http_for_others() {
    let setup = start("{abort: {grpcStatus: 14}}");
    assert_rows(&setup, &[aborted(200)]);
    let expected = (200, Some("14".to_owned()), Some(ABORTED.to_owned()));
    assert_eq!(call(&setup, &[]), expected);
}

#[test]
fn clients_do_not_choose_their_faults() {
    let setup = start("{abort: {httpStatus: 503, percentage: 0}}");
    let fields = "x-envoy-fault-abort-request: 429\r\nx-envoy-fault-delay-request: 3600000\r\n";
    assert_rows(&setup, &[row("no fault", "GET /", fields, 200, None)]);
    let none = start("{abort: {httpStatus: 503}, maxActiveFaults: 0}");
    assert_rows(&none, &[row("no fault is allowed", "GET /", "", 200, None)]);
}

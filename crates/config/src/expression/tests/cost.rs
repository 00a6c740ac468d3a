//! What an evaluation costs.

use std::hint::black_box;

use super::super::*;
use super::Sample;
use crate::cost::time_of;

#[test]
#[ignore = "measures"]
fn time_of_usual_expressions() {
    const ROUNDS: u32 = 500_000;
    let sample = Sample::get(
        "/v1/items?id=7",
        &[
            ("x-team", "billing"),
            ("accept", "*/*"),
            ("user-agent", "curl/8"),
        ],
    );
    for text in [
        "request.headers['x-team'] == 'billing' && source.user == ''",
        "request.headers['x-team'] == 'ops' || request.method in ['GET', 'HEAD']",
        "source.address.startsWith('10.') && egress.host.endsWith('.example') && egress.port == 80",
        "request.url_path.matches('^/v[0-9]+/items') && !request.path.contains('..')",
    ] {
        let expression = Expression::compile(text, AbsentHeaders::ReadEmpty).unwrap();
        let view = sample.view();
        let each = time_of(text, ROUNDS, || {
            black_box(expression.evaluate(black_box(&view))).unwrap();
        });
        assert!(each.as_nanos() < 2000, "{text}");
    }
}

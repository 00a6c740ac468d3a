//! What `/dns` shows.

use std::sync::Arc;

use super::*;

#[test]
fn an_https_record_is_shown_where_there_is_one() {
    let mut listed = Listed::unknown(&"a.test".parse().unwrap());
    let shown = |listed: &Listed| serde_json::to_value(Name::from(listed.clone())).unwrap();
    assert_eq!(shown(&listed).get("service"), None);
    let mut service = Service {
        alpn: vec![b"h2"[..].into(), b"\xff"[..].into()],
        port: Port::new(8443),
        hints: vec!["192.0.2.1".parse().unwrap()],
        elsewhere: false,
    };
    listed.service = Some(Arc::new(service.clone()));
    let expected =
        serde_json::json!({"alpn": ["h2", "\\xff"], "port": 8443, "hints": ["192.0.2.1"]});
    assert_eq!(shown(&listed)["service"], expected);
    service.port = None;
    listed.service = Some(Arc::new(service));
    assert_eq!(shown(&listed)["service"].get("port"), None);
}

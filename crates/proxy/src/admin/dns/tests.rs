//! Tests of what `GET /dns` shows.

use std::sync::Arc;

use super::*;

#[test]
fn an_https_record_is_shown_where_there_is_one() {
    let mut listed = ListedName::unknown(&"a.test".parse().unwrap());
    let shown =
        |listed: &ListedName| serde_json::to_value(CachedNameJson::from(listed.clone())).unwrap();
    assert_eq!(shown(&listed).get("service"), None);
    let mut record = HttpsRecord {
        alpn: vec![b"h2"[..].into(), b"\xff"[..].into()],
        port: Port::new(8443),
        hints: vec!["192.0.2.1".parse().unwrap()],
        other_target: false,
    };
    listed.https_record = Some(Arc::new(record.clone()));
    let expected =
        serde_json::json!({"alpn": ["h2", "\\xff"], "port": 8443, "hints": ["192.0.2.1"]});
    assert_eq!(shown(&listed)["service"], expected);
    record.port = None;
    listed.https_record = Some(Arc::new(record));
    assert_eq!(shown(&listed)["service"].get("port"), None);
}

//! Fields that have no effect are told, and refuse nothing.

use super::{BACKEND, kgateway_policy, warnings, with_route};

#[test]
fn fields_without_effect_are_warned_about() {
    for (line, field) in [
        (
            "circuitBreakers: {maxRetries: 1, trackRemaining: true}",
            "circuitBreakers.trackRemaining",
        ),
        (
            "loadBalancer: {localityType: WeightedLb}",
            "loadBalancer.localityType",
        ),
        (
            "loadBalancer: {zoneAware: {preferLocal: {}}}",
            "loadBalancer.zoneAware",
        ),
        (
            "loadBalancer: {healthyPanicThreshold: 50}",
            "loadBalancer.healthyPanicThreshold",
        ),
        (
            "loadBalancer: {updateMergeWindow: 1s}",
            "loadBalancer.updateMergeWindow",
        ),
        (
            "http1ProtocolOptions: {enableTrailers: true}",
            "http1ProtocolOptions.enableTrailers",
        ),
        (
            "http2ProtocolOptions: {overrideStreamErrorOnInvalidHttpMessage: true}",
            "http2ProtocolOptions.overrideStreamErrorOnInvalidHttpMessage",
        ),
        (
            "http2ProtocolOptions: {connectionKeepalive: {timeout: 1s, connectionIdleInterval: 1s}}",
            "http2ProtocolOptions.connectionKeepalive.connectionIdleInterval",
        ),
        (
            "loadBalancer: {ringHash: {maximumRingSize: 1024}}",
            "loadBalancer.ringHash.maximumRingSize",
        ),
        ("dns: {jitter: 1s}", "dns.jitter"),
        (
            "commonHttpProtocolOptions: {headersWithUnderscoresAction: DropHeader}",
            "commonHttpProtocolOptions.headersWithUnderscoresAction",
        ),
    ] {
        let spec = format!("  targetRefs: [{BACKEND}]\n  {line}\n");
        let compiled = with_route(&kgateway_policy("BackendConfigPolicy", "p", "apps", &spec));
        assert!(compiled.report.accepted(), "{}", compiled.report.table());
        let expected = format!("BackendConfigPolicy apps/p: spec.{field}: has no effect: ");
        let told = warnings(&compiled);
        assert!(told.len() == 1 && told[0].contains(&expected), "{told:?}");
    }
}

#[test]
fn what_asks_for_nothing_is_not_told() {
    let lines = "circuitBreakers: {maxRetries: 1, trackRemaining: false}\n  http1ProtocolOptions: {enableTrailers: null}";
    let spec = format!("  targetRefs: [{BACKEND}]\n  {lines}\n");
    let compiled = with_route(&kgateway_policy("BackendConfigPolicy", "p", "apps", &spec));
    assert_eq!(warnings(&compiled), [""; 0]);
}

use super::*;
use crate::resources::Kind;

fn policy(name: &str) -> ObjectRef {
    ObjectRef::new(Kind::TrafficPolicy, "apps", name)
}

fn set<T>(name: &str, value: T) -> PolicySetting<T> {
    PolicySetting::Set(policy(name), Arc::new(value))
}

fn upgrades(connect: bool) -> AllowedUpgrades {
    let protocols = Vec::new();
    AllowedUpgrades { connect, protocols }
}

#[test]
fn the_first_layer_that_says_something_decides() {
    let mut narrow = TrafficSettings {
        basic_auth: PolicySetting::Disabled(policy("narrow")),
        http_upgrade: set("narrow", upgrades(false)),
        ..TrafficSettings::default()
    };
    let wide = TrafficSettings {
        basic_auth: set("wide", BasicAuth::new(Default::default())),
        api_key_auth: PolicySetting::Disabled(policy("wide")),
        http_upgrade: set("wide", upgrades(true)),
        ..TrafficSettings::default()
    };
    let lost = narrow.merge(&wide);
    let decided = ["basicAuth", "httpUpgrade"].map(|name| (name, policy("narrow")));
    assert_eq!(lost, decided);
    assert_eq!(narrow.basic_auth, PolicySetting::Disabled(policy("narrow")));
    assert_eq!(narrow.api_key_auth, PolicySetting::Disabled(policy("wide")));
    assert!(!narrow.upgrades().connect);
    assert!(narrow.retry.is_unset());
    assert_eq!(narrow.merge(&TrafficSettings::default()), []);
}

#[test]
fn what_is_stated_is_listed_in_the_order_of_the_fields() {
    let settings = TrafficSettings {
        http_upgrade: set("p", upgrades(true)),
        basic_auth: PolicySetting::Disabled(policy("q")),
        ..TrafficSettings::default()
    };
    let (p, q) = (policy("p"), policy("q"));
    let stated: Vec<_> = settings.stated().collect();
    let field = |name, in_tunnel, policy, is_disabled| StatedField {
        name,
        in_tunnel,
        policy,
        is_disabled,
    };
    let expected = [
        field("basicAuth", InTunnel::RefuseRule, &q, true),
        field("httpUpgrade", InTunnel::Applies, &p, false),
    ];
    assert_eq!(stated, expected);
    assert_eq!(TrafficSettings::default().stated().count(), 0);
}

#[test]
fn only_what_is_set_is_printed() {
    let settings = TrafficSettings {
        http_upgrade: PolicySetting::Disabled(policy("p")),
        ..TrafficSettings::default()
    };
    assert_eq!(
        serde_json::to_value(&settings).unwrap(),
        serde_json::json!({"httpUpgrade": {"Disabled": policy("p")}})
    );
}

#[test]
fn without_a_policy_connections_become_the_default() {
    let settings = TrafficSettings::default();
    assert_eq!(*settings.upgrades(), AllowedUpgrades::default());
}

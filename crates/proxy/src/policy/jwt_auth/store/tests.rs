//! Fetched keys in simulated time.

use egret_config::resources::{Kind, ObjectRef};
use tokio::time::advance;

use super::*;

fn remote(url: &str) -> RemoteKeys {
    let extension = ObjectRef::new(Kind::GatewayExtension, "apps", "tokens");
    RemoteKeys {
        service: ServiceId::new(&extension, "spec.jwt"),
        url: url.to_owned(),
        cache_duration: Duration::from_secs(300),
        failed_refetch: Duration::from_secs(2),
        retries: 0,
        back_off: (Duration::ZERO, Duration::ZERO),
    }
}

fn no_keys() -> KeySet {
    KeySet::parse("{\"keys\": []}").unwrap()
}

async fn pass(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn one_fetches_and_all_have_the_keys_until_they_are_too_old() {
    let (store, remote) = (KeyStore::default(), remote("https://id.example/keys"));
    let slot = store.slot(&remote);
    assert!(Arc::ptr_eq(&slot, &store.slot(&remote)));
    let mut ended = slot.ended();
    let turn = slot.begin_due(&remote, clock::now()).unwrap();
    assert!(slot.begin_due(&remote, clock::now()).is_none());
    assert!(slot.begin_asked(&remote, clock::now()).is_none());
    assert!(slot.is_running() && !ended.has_changed().unwrap());
    turn.succeeded(no_keys());
    assert!(ended.has_changed().unwrap() && !slot.is_running());
    ended.mark_unchanged();
    assert!(store.get(&remote, clock::now()).is_some());

    pass(299).await;
    assert!(slot.begin_due(&remote, clock::now()).is_none());
    pass(1).await;
    let turn = slot.begin_due(&remote, clock::now()).unwrap();
    assert!(turn.is_first_to_fail());
    drop(turn);
    pass(1).await;
    assert!(slot.begin_due(&remote, clock::now()).is_none());
    pass(1).await;
    let turn = slot.begin_due(&remote, clock::now()).unwrap();
    assert!(!turn.is_first_to_fail());
    drop(turn);
    assert!(store.get(&remote, clock::now()).is_some());
    pass(3600).await;
    assert!(store.get(&remote, clock::now()).is_none());
}

#[tokio::test(start_paused = true)]
async fn tokens_of_unknown_keys_cannot_have_the_keys_fetched_all_the_time() {
    let (store, remote) = (KeyStore::default(), remote("https://id.example/keys"));
    let slot = store.slot(&remote);
    let ask = || match slot.begin_asked(&remote, clock::now()) {
        Some(turn) => {
            turn.succeeded(no_keys());
            true
        }
        None => false,
    };
    // The first is due.
    assert!(ask());
    for second in 0..100 {
        let fetches = (0..20).filter(|_| ask()).count();
        let expected = match second {
            0 => 3,
            _ => usize::from(second % 10 == 0),
        };
        assert_eq!(fetches, expected, "{second}");
        pass(1).await;
    }
    // A server that fails is asked no more often than configured.
    drop(slot.begin_asked(&remote, clock::now()));
    pass(100).await;
    let turn = slot.begin_asked(&remote, clock::now()).unwrap();
    drop(turn);
    assert!(slot.begin_asked(&remote, clock::now()).is_none());
    pass(2).await;
    assert!(slot.begin_asked(&remote, clock::now()).is_some());
}

#[tokio::test(start_paused = true)]
async fn keys_of_another_url_or_without_a_rule_are_gone() {
    let (store, first) = (KeyStore::default(), remote("https://id.example/keys"));
    let fetched = |remote: &RemoteKeys| {
        let turn = store.slot(remote).begin_due(remote, clock::now()).unwrap();
        turn.succeeded(no_keys());
    };
    fetched(&first);
    let second = remote("https://other.example/keys");
    assert!(store.get(&second, clock::now()).is_none());
    fetched(&second);
    assert!(store.get(&first, clock::now()).is_none());
    let second = Arc::new(second);
    store.keep(&[Arc::clone(&second)]);
    assert!(store.get(&second, clock::now()).is_some());
    store.keep(&[]);
    assert!(store.get(&second, clock::now()).is_none());
}

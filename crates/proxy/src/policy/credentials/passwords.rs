//! Passwords whose comparison takes long on purpose (bcrypt). Whoever has shown the right one once is known by a keyed hash,
//! which takes no lock to find. All others are compared on threads of their own, few at once, so that wrong passwords occupy
//! neither a worker nor the machine.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use egret_config::policy::basic_auth::BcryptHash;
use egret_config::resources::ObjectRef;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::refusal::{DenyingField, PolicyDenial, Refusal};

/// How many passwords may wait for their comparison.
const MAX_WAITING: usize = 128;
/// How many right passwords are remembered.
const MAX_KNOWN: usize = 16_384;

/// The passwords that were right.
pub(crate) struct PasswordStore {
    key: hmac::Key,
    right: ArcSwap<HashSet<PasswordProof>>,
    /// One place for each comparison.
    threads: Arc<Semaphore>,
    /// One place for each that waits or is compared.
    queue: Arc<Semaphore>,
}

/// The keyed hash of a password and of what it was compared with.
type PasswordProof = [u8; 32];

/// A password that is to be compared.
pub(crate) struct SlowPassword {
    pub(super) policy: ObjectRef,
    pub(super) hash: BcryptHash,
    /// Whether there is such a user. If not, it takes as long to say no.
    pub(super) is_known: bool,
    pub(super) password: Vec<u8>,
}

impl Default for PasswordStore {
    fn default() -> Self {
        // A quarter of the machine, so that what is served goes on.
        let threads = thread::available_parallelism().map_or(1, |all| all.get().div_ceil(4));
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()),
            right: ArcSwap::default(),
            threads: Arc::new(Semaphore::new(threads)),
            queue: Arc::new(Semaphore::new(MAX_WAITING + threads)),
        }
    }
}

impl PasswordStore {
    /// Whether the password was compared with the hash before, and was right.
    pub(super) fn is_right(&self, hash: &BcryptHash, password: &[u8]) -> bool {
        self.right.load().contains(&self.proof(hash, password))
    }

    /// Compares a password on another thread, and remembers it if it is right. Says whether it is.
    ///
    /// # Errors
    /// [`Refusal::Denied`] if too many passwords wait.
    pub(crate) async fn compare(&self, asked: SlowPassword) -> Result<bool, Refusal> {
        let Ok(_place) = Arc::clone(&self.queue).try_acquire_owned() else {
            return Err(overload(asked.policy));
        };
        let Ok(turn) = Arc::clone(&self.threads).acquire_owned().await else {
            return Ok(false);
        };
        // A request before may have shown the same.
        if self.is_right(&asked.hash, &asked.password) && asked.is_known {
            return Ok(true);
        }
        let compared = spawn_blocking(move || {
            // The turn ends with the comparison, even if nobody waits for it any more.
            let _turn = turn;
            let is_right = asked.is_right();
            (asked, is_right)
        });
        let Ok((asked, is_right)) = compared.await else {
            return Ok(false);
        };
        if is_right {
            self.remember(&asked);
        }
        Ok(is_right)
    }

    /// As [`Self::compare`], on this thread.
    pub(crate) fn compare_here(&self, asked: &SlowPassword) -> bool {
        let is_right = asked.is_right();
        if is_right {
            self.remember(asked);
        }
        is_right
    }

    fn remember(&self, asked: &SlowPassword) {
        let proof = self.proof(&asked.hash, &asked.password);
        self.right.rcu(|known| {
            let mut known = if known.len() < MAX_KNOWN {
                HashSet::clone(known)
            } else {
                // Hashes that are no longer configured are forgotten with the others.
                HashSet::new()
            };
            known.insert(proof);
            known
        });
    }

    fn proof(&self, hash: &BcryptHash, password: &[u8]) -> PasswordProof {
        let mut context = hmac::Context::with_key(&self.key);
        // The hash has one length.
        context.update(hash.as_bytes());
        context.update(password);
        let mut proof = PasswordProof::default();
        proof.copy_from_slice(context.sign().as_ref());
        proof
    }
}

impl SlowPassword {
    fn is_right(&self) -> bool {
        self.hash.matches(&self.password) && self.is_known
    }
}

fn overload(policy: ObjectRef) -> Refusal {
    let details = format!("too many passwords for {policy} wait to be compared");
    Refusal::Denied(Box::new(PolicyDenial {
        policy,
        by: DenyingField::PasswordQueue,
        rule: None,
        status: StatusCode::SERVICE_UNAVAILABLE,
        details,
        body: None,
        headers: vec![(RETRY_AFTER, HeaderValue::from_static("1"))],
    }))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use egret_config::resources::Kind;

    use super::*;

    /// Of `secret`, with the cost 4.
    const SECRET: &str = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

    fn asked(is_known: bool, password: &str) -> SlowPassword {
        SlowPassword {
            policy: ObjectRef::new(Kind::TrafficPolicy, "apps", "p"),
            hash: BcryptHash::parse(SECRET).unwrap(),
            is_known,
            password: password.as_bytes().to_vec(),
        }
    }

    #[tokio::test]
    async fn a_right_password_is_compared_once_and_a_wrong_one_each_time() {
        let store = PasswordStore::default();
        let hash = BcryptHash::parse(SECRET).unwrap();
        for (is_known, password, is_right) in [
            (true, "secret", true),
            (true, "wrong", false),
            (false, "secret", false),
        ] {
            let store = PasswordStore::default();
            let compared = store.compare(asked(is_known, password)).await;
            assert_eq!(compared.unwrap(), is_right, "{password}");
            assert_eq!(store.is_right(&hash, password.as_bytes()), is_right);
        }
        assert!(store.compare(asked(true, "secret")).await.unwrap());
        // Another hash of the same password is another password.
        let other = SECRET.replace("$2b$", "$2y$");
        assert!(!store.is_right(&BcryptHash::parse(&other).unwrap(), b"secret"));
        // Once there is no thread left, nothing is compared any more, and this is known all the same.
        store.threads.close();
        assert!(store.is_right(&hash, b"secret"));
        assert!(!store.compare(asked(true, "secret ")).await.unwrap());
    }

    #[tokio::test]
    async fn wrong_passwords_wait_in_a_short_queue_and_block_nobody() {
        let store = PasswordStore::default();
        let threads = u32::try_from(store.threads.available_permits()).unwrap();
        let busy = store.threads.acquire_many(threads).await.unwrap();
        let places = store.queue.available_permits();
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = (0..places)
            .map(|_| Box::pin(store.compare(asked(true, "wrong"))))
            .collect();
        for one in &mut waiting {
            assert!(one.as_mut().poll(&mut context).is_pending());
        }
        let refused = store.compare(asked(true, "secret")).await.unwrap_err();
        assert_eq!(refused.row().status, StatusCode::SERVICE_UNAVAILABLE);
        // Whoever goes away leaves its place to others.
        drop(waiting);
        let mut next = pin!(store.compare(asked(true, "secret")));
        assert!(next.as_mut().poll(&mut context).is_pending());
        drop(busy);
        assert!(next.await.unwrap());
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let store = PasswordStore::default();
        let full = (0..MAX_KNOWN).map(|number| {
            let mut proof = PasswordProof::default();
            proof[..8].copy_from_slice(&number.to_be_bytes());
            proof
        });
        store.right.store(Arc::new(full.collect()));
        store.remember(&asked(true, "secret"));
        assert_eq!(store.right.load().len(), 1);
    }
}

//! Tokens whose signatures were verified. A client sends the same one with every request until it expires, and a signature
//! takes a hundred times as long to verify as everything else about it.

use std::hash::{BuildHasher as _, RandomState};
use std::iter;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use egret_config::policy::jwt_auth::{KeySet, TokenClaims};

/// How many tokens are remembered at most.
const PLACES: usize = 1024;
/// The longest token that is remembered, in bytes.
const MAX_LENGTH: usize = 4096;

/// The tokens that were signed with keys that were in force. Each has one place, by its hash, where it replaces the one
/// before: finding one takes no lock, and memory is bounded. Only those with a right signature are here, so that nobody
/// else can replace any.
pub(crate) struct SignedTokens {
    hasher: RandomState,
    places: Box<[ArcSwapOption<SignedToken>]>,
}

/// A token with a right signature. Whether it is valid is another question.
pub(super) struct SignedToken {
    hash: u64,
    text: Box<str>,
    pub(super) claims: TokenClaims,
    /// Whom the token is about.
    pub(super) subject: Option<Arc<str>>,
    /// The keys that have verified it.
    pub(super) keys: Arc<KeySet>,
}

impl Default for SignedTokens {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            places: iter::repeat_with(ArcSwapOption::empty)
                .take(PLACES)
                .collect(),
        }
    }
}

impl SignedTokens {
    /// The token with this text.
    pub(super) fn find(&self, text: &str) -> Option<Arc<SignedToken>> {
        let hash = self.hasher.hash_one(text);
        let known = self.place(hash).load();
        // How long the comparison of the texts takes tells nothing: only a text with the same keyed hash is compared.
        let known = known.as_ref().filter(|known| known.hash == hash)?;
        (*known.text == *text).then(|| Arc::clone(known))
    }

    /// Remembers a token that was verified with `keys`.
    pub(super) fn remember(
        &self,
        text: &str,
        claims: TokenClaims,
        keys: Arc<KeySet>,
    ) -> Arc<SignedToken> {
        let hash = self.hasher.hash_one(text);
        let token = Arc::new(SignedToken {
            hash,
            text: text.into(),
            subject: claims.text("sub").map(Arc::from),
            claims,
            keys,
        });
        if text.len() <= MAX_LENGTH {
            self.place(hash).store(Some(Arc::clone(&token)));
        }
        token
    }

    fn place(&self, hash: u64) -> &ArcSwapOption<SignedToken> {
        // Truncation takes the lower bits, which are as good as the others.
        &self.places[hash as usize % PLACES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(name: &str) -> Arc<KeySet> {
        let text = format!(r#"{{"keys":[{{"kty":"oct","kid":"{name}","k":"c2VjcmV0"}}]}}"#);
        Arc::new(KeySet::parse(&text).unwrap())
    }

    #[test]
    fn a_token_is_found_by_its_whole_text() {
        let tokens = SignedTokens::default();
        let remembered = tokens.remember("a.b.c", TokenClaims::default(), keys("one"));
        let found = tokens.find("a.b.c").unwrap();
        assert!(Arc::ptr_eq(&found, &remembered) && found.keys == keys("one"));
        assert!(tokens.find("a.b.d").is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let tokens = SignedTokens::default();
        let keys = keys("one");
        for number in 0..3 * PLACES {
            tokens.remember(
                &number.to_string(),
                TokenClaims::default(),
                Arc::clone(&keys),
            );
        }
        let long = "a".repeat(MAX_LENGTH + 1);
        tokens.remember(&long, TokenClaims::default(), Arc::clone(&keys));
        assert!(tokens.find(&long).is_none());
        // Those that are remembered, and this one.
        assert!(Arc::strong_count(&keys) <= PLACES + 1);
        let last = (3 * PLACES - 1).to_string();
        assert!(tokens.find(&last).is_some());
    }
}

//! JSON Web Tokens that are signed with RS256, and the keys to verify them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Who issues tokens with a key of its own.
#[derive(Debug)]
pub struct TokenIssuer {
    key_id: String,
    key: KeyPair,
}

impl TokenIssuer {
    /// An issuer with a new key of this name.
    ///
    /// # Panics
    /// If no key can be made.
    #[must_use]
    pub fn new(key_id: &str) -> Self {
        Self {
            key_id: key_id.to_owned(),
            key: KeyPair::generate(KeySize::Rsa2048).expect("a key"),
        }
    }

    /// A token that says this.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": "RS256", "kid": self.key_id}), claims)
    }

    /// A token with this header, signed with RS256 whatever the header says.
    ///
    /// # Panics
    /// If it cannot be signed.
    #[must_use]
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let [header, claims] = [header, claims].map(|it| encode(it.to_string().as_bytes()));
        let signed = format!("{header}.{claims}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        let (random, message) = (SystemRandom::new(), signed.as_bytes());
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
            .expect("a signature");
        format!("{signed}.{}", encode(&signature))
    }

    /// The key as a JSON Web Key.
    #[must_use]
    pub fn key(&self) -> Value {
        let RsaPublicKeyComponents { n, e } =
            RsaPublicKeyComponents::<Vec<u8>>::from(self.key.public_key());
        json!({"kty": "RSA", "kid": self.key_id, "n": encode(&n), "e": encode(&e)})
    }
}

/// The JSON Web Key Set of these issuers.
#[must_use]
pub fn key_set<'a>(issuers: impl IntoIterator<Item = &'a TokenIssuer>) -> String {
    let keys: Vec<Value> = issuers.into_iter().map(TokenIssuer::key).collect();
    json!({ "keys": keys }).to_string()
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

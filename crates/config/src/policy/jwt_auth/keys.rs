//! Keys that tokens are signed with: JSON Web Key Sets (RFC 7517), and public keys in PEM.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, crypto};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::token::{TokenError, UnverifiedToken};
use crate::policy::digest::KeyDigest;

/// The most keys that a token without the name of its key is tried with.
const MAX_TRIES: usize = 16;
/// The beginnings of public keys in DER: the object identifiers of their kinds (RFC 8017 A.1, RFC 5480 2.1.1, RFC 8410 3).
const KEY_KINDS: [(&[u8], AlgorithmFamily); 3] = [
    (
        &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1],
        AlgorithmFamily::Rsa,
    ),
    (
        &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1],
        AlgorithmFamily::Ec,
    ),
    (&[6, 3, 0x2b, 0x65, 0x70], AlgorithmFamily::Ed),
];

/// Keys that tokens are signed with. Equal if their text is; never shown, because some are secrets.
#[derive(Clone)]
pub struct KeySet {
    digest: KeyDigest,
    keys: Vec<VerificationKey>,
}

#[derive(Clone)]
struct VerificationKey {
    id: Option<String>,
    /// The algorithms that it is for.
    algorithms: KeyUse,
    key: DecodingKey,
}

#[derive(Clone, Copy)]
enum KeyUse {
    One(Algorithm),
    Family(AlgorithmFamily),
}

/// Why a text has no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is neither a JSON Web Key Set nor PEM.
    #[error("neither a JSON Web Key Set, as in {{\"keys\": []}}, nor a public key in PEM")]
    Syntax,
    /// None of its keys can be used.
    #[error("has no key that is supported: RSA, P-256, P-384, Ed25519 and oct are, for signatures")]
    Unsupported,
}

#[derive(Deserialize)]
struct KeySetText {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a JSON Web Key Set, or a public key in PEM. Keys of other kinds or for other uses are passed over.
    ///
    /// # Errors
    /// If the text is neither, or has keys and none can be used.
    pub fn parse(text: &str) -> Result<Self, KeySetError> {
        let digest = KeyDigest::of(text.as_bytes());
        if text.trim_start().starts_with("-----BEGIN") {
            let keys = vec![VerificationKey::of_pem(text)?];
            return Ok(Self { digest, keys });
        }
        let set: KeySetText = serde_json::from_str(text).map_err(|_| KeySetError::Syntax)?;
        let is_empty = set.keys.is_empty();
        let keys = set.keys.into_iter();
        let keys: Vec<_> = keys.filter_map(VerificationKey::of_json).collect();
        if keys.is_empty() && !is_empty {
            return Err(KeySetError::Unsupported);
        }
        Ok(Self { digest, keys })
    }

    /// Whether there is no key, so that no token is valid.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Checks the signature of a token.
    ///
    /// # Errors
    /// If no key has verified it.
    pub fn verify(&self, token: &UnverifiedToken<'_>) -> Result<(), TokenError> {
        let fitting = self.keys.iter().filter(|key| key.fits(token));
        let mut error = TokenError::UnknownKey;
        for VerificationKey { key, .. } in fitting.take(MAX_TRIES) {
            let message = token.signed.as_bytes();
            if crypto::verify(token.signature, message, key, token.algorithm).is_ok_and(|ok| ok) {
                return Ok(());
            }
            error = TokenError::Signature;
        }
        Err(error)
    }
}

impl VerificationKey {
    /// A key of a set; `None` if it is of another kind or for another use.
    fn of_json(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let is_for_signatures = match &jwk.common.public_key_use {
            None | Some(PublicKeyUse::Signature) => true,
            Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_)) => false,
        };
        if !is_for_signatures {
            return None;
        }
        let of_kind = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => KeyUse::Family(AlgorithmFamily::Rsa),
            AlgorithmParameters::OctetKey(_) => KeyUse::Family(AlgorithmFamily::Hmac),
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                KeyUse::One(Algorithm::EdDSA)
            }
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => KeyUse::One(Algorithm::ES256),
                EllipticCurve::P384 => KeyUse::One(Algorithm::ES384),
                _ => return None,
            },
            _ => return None,
        };
        let algorithms = match jwk.common.key_algorithm {
            None => of_kind,
            Some(algorithm) => {
                let algorithm = Algorithm::try_from(algorithm).ok()?;
                of_kind.is_for(algorithm).then_some(())?;
                KeyUse::One(algorithm)
            }
        };
        Some(Self {
            algorithms,
            key: DecodingKey::from_jwk(&jwk).ok()?,
            id: jwk.common.key_id.filter(|id| !id.is_empty()),
        })
    }

    fn of_pem(text: &str) -> Result<Self, KeySetError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes());
        let der = der.map_err(|_| KeySetError::Syntax)?;
        let begin = &der[..der.len().min(32)];
        let has = |id: &[u8]| begin.windows(id.len()).any(|part| part == id);
        let kind = KEY_KINDS.into_iter().find(|(id, _)| has(id));
        let (_, family) = kind.ok_or(KeySetError::Unsupported)?;
        let key = match family {
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_der(&der),
            AlgorithmFamily::Ec => DecodingKey::from_ec_der(&der),
            _ => DecodingKey::from_ed_der(&der),
        };
        Ok(Self {
            id: None,
            algorithms: KeyUse::Family(family),
            key,
        })
    }

    /// Whether the token may be signed with this key.
    fn fits(&self, token: &UnverifiedToken<'_>) -> bool {
        let same_id = match (&self.id, &token.key_id) {
            (Some(own), Some(named)) => own == named,
            _ => true,
        };
        same_id && self.algorithms.is_for(token.algorithm)
    }
}

impl KeyUse {
    fn is_for(self, algorithm: Algorithm) -> bool {
        match self {
            Self::One(own) => own == algorithm,
            Self::Family(family) => family == algorithm.family(),
        }
    }
}

impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for KeySet {}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet of {}", self.keys.len())
    }
}

impl Serialize for KeySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{} keys", self.keys.len()))
    }
}

//! What is wrong with tokens, in Envoy's words, and keys of every kind.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

use super::*;
use crate::cost::time_of;

const NOW: f64 = 1_800_000_000.0;
const SECRET: &[u8] = b"a secret of thirty-two characters";

fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token that is signed with [`SECRET`].
fn signed(header: &Value, claims: &Value) -> String {
    let message = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    );
    let key = EncodingKey::from_secret(SECRET).unwrap();
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn provider(more: impl FnOnce(&mut JwtProvider)) -> JwtProvider {
    let keys = json!({"keys": [{"kty": "oct", "kid": "one", "k": encode(SECRET)}]});
    let keys = KeySet::parse(&keys.to_string()).unwrap();
    let mut provider = JwtProvider {
        name: "p".to_owned(),
        issuer: Some("me".to_owned()),
        audiences: vec!["api".to_owned(), "https://site.example/".to_owned()],
        source: TokenSource::Usual,
        forwards: false,
        claims_to_headers: Vec::new(),
        keys: ProviderKeys::Local(Arc::new(keys)),
    };
    more(&mut provider);
    provider
}

fn verify(provider: &JwtProvider, token: &str) -> Result<(), TokenError> {
    let token = UnverifiedToken::parse(token)?;
    provider.check(&token.claims, Some(NOW))?;
    match &provider.keys {
        ProviderKeys::Local(keys) => keys.verify(&token),
        ProviderKeys::Remote(_) => Err(TokenError::NoKeys),
    }
}

#[test]
fn claims_are_checked_in_envoys_order() {
    let header = json!({"alg": "HS256", "kid": "one"});
    let good = || json!({"iss": "me", "aud": "api", "exp": NOW + 1.0});
    let with = |name: &str, value: Value| {
        let mut claims = good();
        claims[name] = value;
        claims
    };
    let provider = provider(|_| {});
    for (claims, expected) in [
        (good(), Ok(())),
        (json!({"iss": "me", "aud": ["x", "api"]}), Ok(())),
        (with("aud", json!("site.example")), Ok(())),
        (with("exp", json!(NOW - 30.0)), Ok(())),
        (with("exp", json!(NOW - 61.0)), Err(TokenError::Expired)),
        (with("nbf", json!(NOW + 30.0)), Ok(())),
        (with("nbf", json!(NOW + 61.0)), Err(TokenError::NotYetValid)),
        (with("iat", json!(NOW + 9999.0)), Ok(())),
        (with("aud", json!("other")), Err(TokenError::Audience)),
        (json!({"iss": "me"}), Err(TokenError::Audience)),
        (with("iss", json!("you")), Err(TokenError::Issuer)),
        (json!({"aud": "api"}), Err(TokenError::Issuer)),
        // The issuer comes first, and the audience last.
        (json!({"iss": "you", "exp": 1}), Err(TokenError::Issuer)),
        (json!({"iss": "me", "exp": 1}), Err(TokenError::Expired)),
        (with("exp", json!("1")), Err(TokenError::EndType)),
        (with("exp", json!(-1)), Err(TokenError::EndType)),
        (with("exp", Value::Null), Err(TokenError::EndType)),
        (with("nbf", json!([1])), Err(TokenError::BeginType)),
        (with("iat", json!("x")), Err(TokenError::IssuedType)),
        (with("iss", json!(1)), Err(TokenError::IssuerType)),
        (with("sub", json!(1)), Err(TokenError::SubjectType)),
        (with("aud", json!(1)), Err(TokenError::AudienceType)),
        (
            with("aud", json!(["api", 1])),
            Err(TokenError::AudienceType),
        ),
    ] {
        let token = signed(&header, &claims);
        assert_eq!(verify(&provider, &token), expected, "{claims}");
        // Whatever else is wrong, a wrong signature is found last.
        let broken = format!("{}x", &token[..token.len() - 1]);
        let expected = expected.and(Err(TokenError::Signature));
        let outcome = verify(&provider, &broken);
        assert!(
            outcome == expected || outcome == Err(TokenError::SignatureBase64),
            "{claims} {outcome:?}"
        );
    }
}

#[test]
fn a_tunnel_that_is_open_is_not_closed_because_its_token_ends() {
    let token = signed(
        &json!({"alg": "HS256"}),
        &json!({"iss": "me", "aud": "api", "exp": 1}),
    );
    let token = UnverifiedToken::parse(&token).unwrap();
    let provider = provider(|_| {});
    assert_eq!(provider.check(&token.claims, None), Ok(()));
    assert_eq!(
        provider.check(&token.claims, Some(NOW)),
        Err(TokenError::Expired)
    );
}

#[test]
fn what_is_no_token_is_told() {
    let claims = json!({"iss": "me", "aud": "api"});
    let header = |header: Value| signed(&header, &claims);
    let good = header(json!({"alg": "HS256"}));
    let (signed_part, signature) = good.rsplit_once('.').unwrap();
    let not_json = format!("{}.{}.{signature}", encode("x"), encode("{}"));
    let of_list = format!(
        "{}.{}.{signature}",
        encode(r#"{"alg":"HS256"}"#),
        encode("[]")
    );
    let provider = provider(|_| {});
    for (token, expected) in [
        (good.clone(), Ok(())),
        ("abc".to_owned(), Err(TokenError::Format)),
        (String::new(), Err(TokenError::Format)),
        (format!("{signed_part}."), Err(TokenError::Format)),
        (format!(".{good}"), Err(TokenError::Format)),
        (format!("{good}.x"), Err(TokenError::Format)),
        ("a.b.c".to_owned(), Err(TokenError::HeaderBase64)),
        (not_json, Err(TokenError::HeaderJson)),
        (of_list, Err(TokenError::PayloadJson)),
        (format!("{signed_part}.!"), Err(TokenError::SignatureBase64)),
        (header(json!({})), Err(TokenError::NoAlgorithm)),
        (header(json!({"alg": 1})), Err(TokenError::NoAlgorithm)),
        (header(json!({"alg": "none"})), Err(TokenError::Algorithm)),
        (header(json!({"alg": "hs256"})), Err(TokenError::Algorithm)),
        (
            header(json!({"alg": "HS256", "kid": 1})),
            Err(TokenError::KeyId),
        ),
        (
            header(json!({"alg": "HS256", "crit": ["b64"], "b64": false})),
            Err(TokenError::HeaderJson),
        ),
        (
            header(json!({"alg": "HS256", "kid": "two"})),
            Err(TokenError::UnknownKey),
        ),
        // A public key is no secret, and a secret is no public key.
        (header(json!({"alg": "RS256"})), Err(TokenError::UnknownKey)),
        (header(json!({"alg": "HS384"})), Err(TokenError::Signature)),
    ] {
        assert_eq!(verify(&provider, &token), expected, "{token}");
    }
    for error in TokenError::ALL {
        let expected = match error {
            TokenError::Audience => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        };
        assert_eq!(error.status(), expected, "{}", error.text());
    }
}

/// A key set with one key, the same key in PEM, and a token that is signed with it.
struct Signer {
    set: Value,
    pem: String,
    token: String,
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

/// Signs what a key of this kind signs.
fn signer(algorithm: &str) -> Signer {
    let header = json!({ "alg": algorithm });
    let message = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(r#"{"iss":"me","aud":"api"}"#)
    );
    let random = SystemRandom::new();
    let (key, der, signature) = match algorithm {
        "RS256" => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
            let RsaPublicKeyComponents { n, e } =
                RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
            let mut signature = vec![0; pair.public_modulus_len()];
            let text = message.as_bytes();
            pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature)
                .unwrap();
            let der = pair.public_key().as_der().unwrap().as_ref().to_vec();
            let key = json!({"kty": "RSA", "n": encode(n), "e": encode(e)});
            (key, der, signature)
        }
        "ES256" => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let point = pair.public_key().as_ref();
            let (x, y) = point[1..].split_at(32);
            let key = json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)});
            let der = pair.public_key().as_der().unwrap().as_ref().to_vec();
            let signature = pair.sign(&random, message.as_bytes()).unwrap();
            (key, der, signature.as_ref().to_vec())
        }
        _ => {
            let pair = Ed25519KeyPair::generate().unwrap();
            let x = encode(pair.public_key());
            let key = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
            let der = pair.public_key().as_der().unwrap().as_ref().to_vec();
            (key, der, pair.sign(message.as_bytes()).as_ref().to_vec())
        }
    };
    Signer {
        set: json!({ "keys": [key] }),
        pem: pem(&der),
        token: format!("{message}.{}", encode(signature)),
    }
}

#[test]
fn keys_of_each_kind_verify_what_they_signed_and_nothing_else() {
    let signers = ["RS256", "ES256", "EdDSA"].map(signer);
    for (at, signer) in signers.iter().enumerate() {
        for text in [signer.set.to_string(), signer.pem.clone()] {
            let keys = KeySet::parse(&text).unwrap();
            let provider = provider(|it| it.keys = ProviderKeys::Local(Arc::new(keys)));
            for (other, Signer { token, .. }) in signers.iter().enumerate() {
                let expected = match at == other {
                    true => Ok(()),
                    false => Err(TokenError::UnknownKey),
                };
                assert_eq!(verify(&provider, token), expected, "{text} {token}");
            }
            assert!(!format!("{provider:?}").contains(&text), "{provider:?}");
        }
    }
    // Another key of the kind.
    let other = KeySet::parse(&signer("ES256").pem).unwrap();
    let provider = provider(|it| it.keys = ProviderKeys::Local(Arc::new(other)));
    assert_eq!(
        verify(&provider, &signers[1].token),
        Err(TokenError::Signature)
    );
}

#[test]
fn of_a_key_set_the_keys_that_are_for_it_are_tried() {
    let signer = signer("RS256");
    let key = &signer.set["keys"][0];
    let other = &self::signer("RS256").set["keys"][0];
    let with = |name: &str, value: &str| {
        let mut key = key.clone();
        key[name] = value.into();
        key
    };
    for (keys, expected) in [
        (json!([other, key]), Ok(())),
        (json!([with("kid", "any")]), Ok(())),
        (json!([with("alg", "RS256"), with("use", "sig")]), Ok(())),
        (json!([with("alg", "RS384")]), Err(TokenError::UnknownKey)),
        (
            json!([with("use", "enc"), other]),
            Err(TokenError::Signature),
        ),
        (json!([{"kty": "new"}, key]), Ok(())),
        (json!([]), Err(TokenError::UnknownKey)),
    ] {
        let keys = KeySet::parse(&json!({ "keys": keys }).to_string()).unwrap();
        let provider = provider(|it| it.keys = ProviderKeys::Local(Arc::new(keys)));
        assert_eq!(verify(&provider, &signer.token), expected);
    }
    let private = with("use", "enc");
    for (text, expected) in [
        ("", KeySetError::Syntax),
        ("keys", KeySetError::Syntax),
        ("[]", KeySetError::Syntax),
        ("-----BEGIN PUBLIC KEY-----\n", KeySetError::Syntax),
        (&pem(b"x"), KeySetError::Unsupported),
        (
            &json!({"keys": [{"kty": "EC"}]}).to_string(),
            KeySetError::Unsupported,
        ),
        (
            &json!({"keys": [private]}).to_string(),
            KeySetError::Unsupported,
        ),
    ] {
        assert_eq!(KeySet::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn claims_are_told_as_envoy_tells_them() {
    let claims = json!({
        "sub": "ann", "n": 5, "f": 1.5, "yes": true, "none": null, "list": ["a", "b"],
        "a": {"b": {"c": "deep"}}, "x.y": "flat",
    });
    let token = signed(&json!({"alg": "HS256"}), &claims);
    let claims = UnverifiedToken::parse(&token).unwrap().claims;
    for (name, expected) in [
        ("sub", Some("ann")),
        ("n", Some("5")),
        ("f", Some("1.5")),
        ("yes", Some("true")),
        ("none", None),
        ("list", Some("WyJhIiwiYiJd")),
        ("a.b.c", Some("deep")),
        ("a.b", Some("eyJjIjoiZGVlcCJ9")),
        ("x.y", Some("flat")),
        ("a.b.d", None),
        ("sub.x", None),
        ("other", None),
    ] {
        assert_eq!(claims.header_value(name).as_deref(), expected, "{name}");
    }
}

#[test]
#[ignore = "measures"]
fn time_of_a_token_that_is_not_remembered() {
    let signer = signer("RS256");
    let keys = KeySet::parse(&signer.set.to_string()).unwrap();
    let provider = provider(|it| it.keys = ProviderKeys::Local(Arc::new(keys)));
    let what = "for a token that is not remembered (RS256)";
    let each = time_of(what, 20_000, || {
        assert_eq!(verify(&provider, &signer.token), Ok(()));
    });
    assert!(each.as_micros() < 60, "{each:?}");
}

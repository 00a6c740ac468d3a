//! A token as it comes, and what can be wrong with it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::claims::TokenClaims;

/// A token that can be read, and has not been verified.
#[derive(Debug)]
pub struct UnverifiedToken<'t> {
    /// What it says.
    pub claims: TokenClaims,
    pub(super) algorithm: Algorithm,
    /// The name of its key.
    pub(super) key_id: Option<String>,
    /// What is signed.
    pub(super) signed: &'t str,
    /// In Base64.
    pub(super) signature: &'t str,
}

macro_rules! token_errors {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// Why a request is not authenticated by a token.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum TokenError {
            $($(#[$doc])* $variant,)*
        }

        impl TokenError {
            /// Every error.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Envoy's words for it.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

token_errors! {
    /// The request has no token.
    Missing = "Jwt is missing";
    /// It is no token, or there are several.
    Format = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    /// The header is no Base64.
    HeaderBase64 = "Jwt header is an invalid Base64url encoded";
    /// The header is no JSON object.
    HeaderJson = "Jwt header is an invalid JSON";
    /// The header has no algorithm.
    NoAlgorithm = "Jwt header [alg] field is required and must be a string";
    /// The algorithm is not known, or none.
    Algorithm = "Jwt header [alg] is not supported";
    /// The name of the key is no text.
    KeyId = "Jwt header [kid] field is not a string";
    /// The payload is no Base64.
    PayloadBase64 = "Jwt payload is an invalid Base64url encoded";
    /// The payload is no JSON object.
    PayloadJson = "Jwt payload is an invalid JSON";
    /// `iss` is no text.
    IssuerType = "Jwt payload [iss] field is not a string";
    /// `sub` is no text.
    SubjectType = "Jwt payload [sub] field is not a string";
    /// `iat` is no time.
    IssuedType = "Jwt payload [iat] field is not an integer";
    /// `nbf` is no time.
    BeginType = "Jwt payload [nbf] field is not an integer";
    /// `exp` is no time.
    EndType = "Jwt payload [exp] field is not an integer";
    /// `aud` is neither a text nor a list of texts.
    AudienceType = "Jwt payload [aud] field is not a string or string list";
    /// The signature is no Base64.
    SignatureBase64 = "Jwt signature is an invalid Base64url encoded";
    /// Somebody else issued it.
    Issuer = "Jwt issuer is not configured";
    /// It is not valid yet.
    NotYetValid = "Jwt not yet valid";
    /// It is not valid any more.
    Expired = "Jwt is expired";
    /// It is for somebody else.
    Audience = "Audiences in Jwt are not allowed";
    /// No key has its name and its algorithm.
    UnknownKey = "Jwks doesn't have key to match kid or alg from Jwt";
    /// The signature is wrong.
    Signature = "Jwt verification fails";
    /// The keys could not be fetched.
    NoKeys = "Jwks remote fetch is failed";
}

impl TokenError {
    /// The status of the response.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Audience => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// Whether other keys of the provider could have verified the token.
    #[must_use]
    pub const fn wants_keys(self) -> bool {
        matches!(self, Self::UnknownKey | Self::NoKeys)
    }

    /// Which error of several providers is told: what is wrong with a token of theirs, rather than that it is not theirs or
    /// is not there.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Missing => 0,
            Self::Issuer => 1,
            Self::UnknownKey | Self::NoKeys => 3,
            _ => 2,
        }
    }
}

impl<'t> UnverifiedToken<'t> {
    /// Reads a token in the compact form (RFC 7515 3.1).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &'t str) -> Result<Self, TokenError> {
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Format)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Format)?;
        let parts = [header, payload, signature];
        if payload.contains('.') || parts.iter().any(|part| part.is_empty()) {
            return Err(TokenError::Format);
        }
        let header = decode(header).ok_or(TokenError::HeaderBase64)?;
        let mut header: Map<String, Value> =
            serde_json::from_slice(&header).map_err(|_| TokenError::HeaderJson)?;
        let algorithm = header.get("alg").and_then(Value::as_str);
        let algorithm = algorithm.ok_or(TokenError::NoAlgorithm)?;
        let algorithm = algorithm.parse().map_err(|_| TokenError::Algorithm)?;
        // An extension that has to be understood is not (RFC 7515 4.1.11).
        if header.contains_key("crit") {
            return Err(TokenError::HeaderJson);
        }
        let key_id = match header.remove("kid") {
            None => None,
            Some(Value::String(id)) => Some(id).filter(|id| !id.is_empty()),
            Some(_) => return Err(TokenError::KeyId),
        };
        let payload = decode(payload).ok_or(TokenError::PayloadBase64)?;
        let claims = serde_json::from_slice(&payload).map_err(|_| TokenError::PayloadJson)?;
        check_types(&claims)?;
        decode(signature).ok_or(TokenError::SignatureBase64)?;
        Ok(Self {
            claims: TokenClaims(Arc::new(claims)),
            algorithm,
            key_id,
            signed,
            signature,
        })
    }
}

/// Checks that the claims with a meaning have their types: one of another type would else count as not there.
fn check_types(claims: &Map<String, Value>) -> Result<(), TokenError> {
    let is_time = |value: &Value| value.as_f64().is_some_and(|time| time >= 0.0);
    let is_audience = |value: &Value| match value {
        Value::Array(items) => items.iter().all(Value::is_string),
        other => other.is_string(),
    };
    let is_right = |name: &str, is_right: &dyn Fn(&Value) -> bool| {
        let claim = claims.get(name);
        claim.is_none_or(is_right)
    };
    for (is_right, error) in [
        (is_right("iss", &Value::is_string), TokenError::IssuerType),
        (is_right("sub", &Value::is_string), TokenError::SubjectType),
        (is_right("iat", &is_time), TokenError::IssuedType),
        (is_right("nbf", &is_time), TokenError::BeginType),
        (is_right("exp", &is_time), TokenError::EndType),
        (is_right("aud", &is_audience), TokenError::AudienceType),
    ] {
        if !is_right {
            return Err(error);
        }
    }
    Ok(())
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

//! The algorithms that a TLS connection may use, by the names that people write: those of BoringSSL and of IANA.

use serde::Serialize;

/// The algorithms that may be used. An empty list does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct TlsAlgorithms {
    /// Cipher suites, in order of preference. If none is of a version, all of that version may be used: the names of
    /// TLS 1.3 say nothing about TLS 1.2, and the other way round.
    pub cipher_suites: Vec<CipherSuite>,
    /// Groups of the key exchange, in order of preference.
    pub groups: Vec<KeyExchangeGroup>,
    /// Algorithms of the signatures in handshakes, in order of preference.
    pub signatures: Vec<SignatureAlgorithm>,
}

/// An algorithm that has names.
pub trait NamedAlgorithm: Copy + PartialEq + 'static {
    /// Every algorithm that is supported.
    const ALL: &'static [Self];
    /// Names of algorithms that are known and not supported, because they are too weak or too rare.
    const OTHERS: &'static [&'static str];

    /// The names of the algorithm, at least one.
    fn names(self) -> &'static [&'static str];
}

macro_rules! algorithms {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $names:expr,)* } others $others:expr) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[expect(missing_docs, reason = "the names of the variants are those of the standards")]
        pub enum $name {
            $($variant,)*
        }

        impl NamedAlgorithm for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),*];
            const OTHERS: &'static [&'static str] = $others;

            fn names(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => $names,)*
                }
            }
        }
    };
}

algorithms! {
    /// A cipher suite.
    CipherSuite {
        EcdheEcdsaAes128Gcm = &["ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
        EcdheRsaAes128Gcm = &["ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
        EcdheEcdsaAes256Gcm = &["ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"],
        EcdheRsaAes256Gcm = &["ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"],
        EcdheEcdsaChacha20 = &["ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"],
        EcdheRsaChacha20 = &["ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"],
        Aes128Gcm = &["TLS_AES_128_GCM_SHA256"],
        Aes256Gcm = &["TLS_AES_256_GCM_SHA384"],
        Chacha20 = &["TLS_CHACHA20_POLY1305_SHA256"],
    }
    others &[
        "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "AES128-GCM-SHA256", "AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA", "AES256-GCM-SHA384", "AES256-SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_256_CBC_SHA",
    ]
}

algorithms! {
    /// A group of the key exchange.
    KeyExchangeGroup {
        X25519MlKem768 = &["X25519MLKEM768"],
        X25519 = &["X25519"],
        P256 = &["P-256", "secp256r1", "prime256v1"],
        P384 = &["P-384", "secp384r1"],
    }
    others &["P-521", "secp521r1", "P-224", "X25519Kyber768Draft00"]
}

algorithms! {
    /// An algorithm of the signatures in handshakes.
    SignatureAlgorithm {
        EcdsaP256Sha256 = &["ecdsa_secp256r1_sha256"],
        EcdsaP384Sha384 = &["ecdsa_secp384r1_sha384"],
        EcdsaP521Sha512 = &["ecdsa_secp521r1_sha512"],
        Ed25519 = &["ed25519"],
        RsaPssSha256 = &["rsa_pss_rsae_sha256"],
        RsaPssSha384 = &["rsa_pss_rsae_sha384"],
        RsaPssSha512 = &["rsa_pss_rsae_sha512"],
        RsaPkcs1Sha256 = &["rsa_pkcs1_sha256"],
        RsaPkcs1Sha384 = &["rsa_pkcs1_sha384"],
        RsaPkcs1Sha512 = &["rsa_pkcs1_sha512"],
    }
    others &["rsa_pkcs1_sha1", "ecdsa_sha1", "rsa_pkcs1_md5_sha1"]
}

impl CipherSuite {
    /// Whether the suite is one of TLS 1.3 (RFC 8446 B.4).
    #[must_use]
    pub const fn is_of_tls13(self) -> bool {
        matches!(self, Self::Aes128Gcm | Self::Aes256Gcm | Self::Chacha20)
    }
}

/// Reads a list of names. Names of algorithms that are not supported are left out as long as others remain: what is not
/// offered is not used.
///
/// # Errors
/// If a name is unknown, or none is supported, with what can be written.
pub(crate) fn read<A: NamedAlgorithm>(
    names: impl IntoIterator<Item: AsRef<str>>,
) -> Result<Vec<A>, String> {
    let mut read = Vec::new();
    let mut left_out = None;
    for item in names {
        // BoringSSL writes suites of one preference as `[A|B]`.
        let item = item.as_ref().trim().trim_matches(['[', ']']).to_owned();
        for name in item.split('|').map(str::trim) {
            let is_named = |known: &&str| known.eq_ignore_ascii_case(name);
            match A::ALL.iter().find(|one| one.names().iter().any(is_named)) {
                Some(known) if read.contains(known) => {}
                Some(known) => read.push(*known),
                None if A::OTHERS.iter().any(is_named) => {
                    left_out = Some(name.to_owned());
                }
                None => return Err(not_supported::<A>(name)),
            }
        }
    }
    match left_out {
        Some(name) if read.is_empty() => Err(not_supported::<A>(&name)),
        _ => Ok(read),
    }
}

fn not_supported<A: NamedAlgorithm>(name: &str) -> String {
    let names: Vec<&str> = A::ALL.iter().map(|one| one.names()[0]).collect();
    format!("{name} is not supported; {} are", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_boringssl_and_of_iana() {
        let suites = |names: &[&str]| read::<CipherSuite>(names);
        assert_eq!(
            suites(&[
                "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                "AES128-SHA",
            ]),
            Ok(vec![
                CipherSuite::EcdheRsaAes128Gcm,
                CipherSuite::EcdheRsaChacha20
            ])
        );
        let only_weak = suites(&["AES128-SHA"]).unwrap_err();
        assert!(only_weak.starts_with("AES128-SHA is not supported; ECDHE-"));
        assert!(suites(&["ECDHE-RSA-AES128-GCM-SHA256", "AES"]).is_err());
        let groups = read::<KeyExchangeGroup>(["P-521", "x25519", "secp256r1"]);
        assert_eq!(
            groups,
            Ok(vec![KeyExchangeGroup::X25519, KeyExchangeGroup::P256])
        );
        let none: [&str; 0] = [];
        assert_eq!(read::<SignatureAlgorithm>(none), Ok(Vec::new()));
    }
}

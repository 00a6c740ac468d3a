//! Digests of secrets. They are compared in constant time and never shown.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use serde::{Serialize, Serializer};

macro_rules! digests {
    ($($(#[$meta:meta])* $name:ident: $length:literal by $algorithm:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Default, PartialEq, Eq)]
        pub struct $name([u8; $length]);

        impl $name {
            /// The digest of a secret.
            ///
            /// # Panics
            /// Never: the digests of the algorithm have this length.
            #[must_use]
            pub fn of(secret: &[u8]) -> Self {
                let digest = digest(&$algorithm, secret);
                Self(digest.as_ref().try_into().expect("the algorithm's length"))
            }

            /// Wraps a digest that was computed elsewhere.
            #[must_use]
            pub const fn new(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// Whether the digests are equal, compared in constant time.
            #[must_use]
            pub fn matches(&self, other: &Self) -> bool {
                verify_slices_are_equal(&self.0, &other.0).is_ok()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str("not shown")
            }
        }
    )*};
}

digests! {
    /// The digest of a password in the format of `htpasswd -s` (SHA-1), the only one that kgateway supports.
    PasswordDigest: 20 by SHA1_FOR_LEGACY_USE_ONLY;
    /// The digest of an API key (SHA-256).
    KeyDigest: 32 by SHA256;
}

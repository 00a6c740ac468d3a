//! `%EGRET(FIELD)%`: what the default log tells and Envoy has no operator for.

use super::field::ValueKind;

macro_rules! own_fields {
    ($($(#[$doc:meta])* $field:ident $name:literal $kind:ident,)*) => {
        /// A field of the default log, by its name there.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum OwnField {
            $($(#[$doc])* $field,)*
        }

        impl OwnField {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$field,)*];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)*
                }
            }

            /// How its value is written.
            #[must_use]
            pub const fn kind(self) -> ValueKind {
                match self {
                    $(Self::$field => ValueKind::$kind,)*
                }
            }
        }
    };
}

own_fields! {
    /// The listener that took the request.
    Listener "listener" Text,
    /// The route and rule that it fell under.
    Route "route" Text,
    /// The authenticated user or client.
    User "user" Text,
    /// The host and port that the request was sent to.
    Destination "destination" Text,
    /// Why the request was refused or broken off.
    Reason "reason" Text,
    /// The reason in a sentence.
    Details "details" Text,
    /// The identity of the refusal.
    Id "id" Text,
    /// The generation of the configuration.
    Generation "generation" Number,
    /// `allow`, `deny` or `audit`.
    Verdict "verdict" Text,
    /// The policy that made the verdict.
    Policy "policy" Text,
    /// The rule of that policy.
    Rule "rule" Text,
    /// Why the rule is there.
    RuleReason "rule_reason" Text,
    /// The number of retries.
    Retries "retries" Number,
    /// How the name was resolved.
    Dns "dns" Text,
    /// Milliseconds for DNS.
    DnsMs "dns_ms" Number,
    /// Milliseconds for the TCP connection.
    ConnectMs "connect_ms" Number,
    /// Milliseconds for the TLS handshake with the upstream.
    TlsMs "tls_ms" Number,
    /// Milliseconds from the request's head to the response's.
    FirstByteMs "first_byte_ms" Number,
    /// Milliseconds from the request's head to the end.
    TotalMs "total_ms" Number,
}

impl OwnField {
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }
}

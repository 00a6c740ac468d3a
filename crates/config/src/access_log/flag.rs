//! Envoy's response flags, which say in a few letters what went wrong with an exchange.

use serde::Serialize;

macro_rules! response_flags {
    ($($flag:ident $short:literal $long:literal,)*) => {
        /// A response flag. Those that never occur here are known, so that filters may name them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[expect(missing_docs, reason = "the flags are Envoy's, whose documentation describes them")]
        pub enum ResponseFlag {
            $($flag,)*
        }

        impl ResponseFlag {
            /// All of them, in the order of their bits.
            pub const ALL: &'static [Self] = &[$(Self::$flag,)*];

            /// Its letters.
            #[must_use]
            pub const fn short(self) -> &'static str {
                match self {
                    $(Self::$flag => $short,)*
                }
            }

            /// The flag of these letters.
            #[must_use]
            pub fn named(short: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|flag| flag.short() == short)
            }

            /// Its name.
            #[must_use]
            pub const fn long(self) -> &'static str {
                match self {
                    $(Self::$flag => $long,)*
                }
            }
        }
    };
}

response_flags! {
    FailedLocalHealthCheck "LH" "FailedLocalHealthCheck",
    NoHealthyUpstream "UH" "NoHealthyUpstream",
    UpstreamRequestTimeout "UT" "UpstreamRequestTimeout",
    LocalReset "LR" "LocalReset",
    UpstreamRemoteReset "UR" "UpstreamRemoteReset",
    UpstreamConnectionFailure "UF" "UpstreamConnectionFailure",
    UpstreamConnectionTermination "UC" "UpstreamConnectionTermination",
    UpstreamOverflow "UO" "UpstreamOverflow",
    NoRouteFound "NR" "NoRouteFound",
    DelayInjected "DI" "DelayInjected",
    FaultInjected "FI" "FaultInjected",
    RateLimited "RL" "RateLimited",
    UnauthorizedExternalService "UAEX" "UnauthorizedExternalService",
    RateLimitServiceError "RLSE" "RateLimitServiceError",
    DownstreamConnectionTermination "DC" "DownstreamConnectionTermination",
    UpstreamRetryLimitExceeded "URX" "UpstreamRetryLimitExceeded",
    StreamIdleTimeout "SI" "StreamIdleTimeout",
    InvalidEnvoyRequestHeaders "IH" "InvalidEnvoyRequestHeaders",
    DownstreamProtocolError "DPE" "DownstreamProtocolError",
    UpstreamMaxStreamDurationReached "UMSDR" "UpstreamMaxStreamDurationReached",
    ResponseFromCacheFilter "RFCF" "ResponseFromCacheFilter",
    NoFilterConfigFound "NFCF" "NoFilterConfigFound",
    DurationTimeout "DT" "DurationTimeout",
    UpstreamProtocolError "UPE" "UpstreamProtocolError",
    NoClusterFound "NC" "NoClusterFound",
    OverloadManagerTerminated "OM" "OverloadManagerTerminated",
    DnsResolutionFailed "DF" "DnsResolutionFailed",
    DropOverload "DO" "DropOverload",
    DownstreamRemoteReset "DR" "DownstreamRemoteReset",
    UnconditionalDropOverload "UDO" "UnconditionalDropOverload",
}

/// The flags of an exchange, in the order in which they were set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseFlags([Option<ResponseFlag>; 2]);

impl ResponseFlags {
    /// None of them.
    pub const NONE: Self = Self([None, None]);

    /// One flag.
    #[must_use]
    pub const fn one(flag: ResponseFlag) -> Self {
        Self([Some(flag), None])
    }

    /// Two flags.
    #[must_use]
    pub const fn two(first: ResponseFlag, second: ResponseFlag) -> Self {
        Self([Some(first), Some(second)])
    }

    /// The flags.
    pub fn iter(self) -> impl Iterator<Item = ResponseFlag> {
        self.0.into_iter().flatten()
    }

    /// The flags as a set of bits.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.iter().map(|flag| 1 << (flag as u64)).sum()
    }
}

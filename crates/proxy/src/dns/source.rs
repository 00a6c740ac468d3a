//! The sources that the result of a lookup can come from, as metrics and the access log name them.

use crate::meter::label_values;

label_values! {
    /// Where the result of a lookup comes from.
    pub enum AnswerSource {
        /// The result comes from the settings (`hosts`) or from the system's hosts file.
        Static = "static",
        /// The name is below `localhost` and stands for the loopback addresses (RFC 6761 6.3).
        Localhost = "localhost",
        /// The result comes from the cache.
        Hit = "hit",
        /// The result comes from the cache, past its TTL (RFC 8767).
        Stale = "stale",
        /// The result is a failure that the cache remembers.
        Negative = "negative",
        /// The result comes from a query made for this lookup.
        Miss = "miss",
        /// The result comes from a query that an earlier lookup had started.
        Coalesced = "coalesced",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_has_a_counter_of_its_own() {
        crate::meter::assert_is_label::<AnswerSource>();
    }
}

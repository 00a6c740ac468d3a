//! Names of the objects that are made for a Gateway.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

/// The longest name of a Service, and value of a label.
const LONGEST: usize = 63;

/// The name of the Gateway. One that is too long for a Service is cut to 50 characters, and made unique again.
pub(super) fn of_children(gateway: &str) -> String {
    if gateway.len() <= LONGEST {
        return gateway.to_owned();
    }
    let digest = digest(&SHA256, gateway.as_bytes());
    // Names are ASCII, but the API server is not taken at its word.
    let mut name: String = gateway.chars().take(50).collect();
    name.push('-');
    for byte in &digest.as_ref()[..6] {
        // Writing to a String does not fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_unique() {
        let longest = "x".repeat(63);
        assert_eq!(of_children("http"), "http");
        assert_eq!(of_children(&longest), longest);
        let cut = of_children(&"x".repeat(64));
        // printf 'x%.0s' {1..64} | sha256sum
        assert_eq!(cut, format!("{}-7ce100971f64", "x".repeat(50)));
        assert_ne!(cut, of_children(&"x".repeat(65)));
        assert_eq!(cut.len(), 63);
    }
}

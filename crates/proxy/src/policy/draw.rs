//! The lots by which policies choose so many of a hundred requests.

/// The number of a request, below a hundred.
pub(super) fn lot() -> u8 {
    rand::random_range(0..100)
}

/// Whether a request is one of so many of a hundred.
pub(super) fn is_drawn(percentage: u8) -> bool {
    percentage >= 100 || lot() < percentage
}

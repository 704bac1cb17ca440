//! Which pieces of code are nearly the same?

/// Keys that two texts share when their code is nearly the same.
pub(super) fn bands(_text: &str) -> Vec<u64> {
    Vec::new()
}

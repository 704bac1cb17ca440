//! How is a vector kept in a quarter of its bytes?

/// A vector as `dimensions` signed bytes after the factor that brings them back (f32, little-endian).
pub(super) fn encode(vector: &[f32]) -> Vec<u8> {
    let most = vector.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let factor = if most > 0.0 { most / 127.0 } else { 0.0 };
    let code = |value: &f32| if factor > 0.0 { (value / factor).round() as i8 as u8 } else { 0 };
    factor.to_le_bytes().into_iter().chain(vector.iter().map(code)).collect()
}

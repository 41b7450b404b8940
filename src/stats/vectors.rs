//! Series whose statistics are known, for the tests.

/// Ten values without ties that rise.
pub(super) const TEN: [f64; 10] = [5.1, 5.3, 5.2, 5.6, 5.5, 5.9, 5.8, 6.1, 6.4, 6.3];

/// Eight values with ties that rise.
pub(super) const TIES: [f64; 8] = [1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0];

/// Twenty-four values that depend on their neighbours.
pub(super) const WAVE: [f64; 24] = [
    20.0, 21.0, 23.0, 24.0, 24.0, 23.0, 22.0, 20.0, 19.0, 19.0, 20.0, 22.0, 24.0, 26.0, 27.0, 27.0,
    26.0, 24.0, 23.0, 22.0, 23.0, 25.0, 27.0, 28.0,
];

/// Slope of [`WAVE`], for values one hour apart.
pub(super) const WAVE_SLOPE: f64 = 0.212_406_015;

/// Memory in GiB, every half an hour.
pub(super) const MEMORY: [f64; 12] =
    [62.10, 62.18, 62.21, 62.33, 62.36, 62.47, 62.49, 62.60, 62.68, 62.71, 62.83, 62.88];

/// Returns `n` times that are `step` apart, from 0.
pub(super) fn hours(n: usize, step: f64) -> Vec<f64> {
    (0..n).map(|index| index as f64 * step).collect()
}

/// Asserts that two numbers differ by less than `within`.
#[track_caller]
pub(super) fn near(seen: f64, wanted: f64, within: f64) {
    assert!((seen - wanted).abs() < within, "{seen}, wanted {wanted}");
}

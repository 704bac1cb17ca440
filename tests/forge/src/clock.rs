//! What time is it at the forge? The machine's time, moved or stopped by a test.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The forge's time, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    Real { offset: i64 },
    Set { at: i64 },
}

impl Clock {
    pub(crate) fn now(self) -> i64 {
        match self {
            Clock::Real { offset } => real() + offset,
            Clock::Set { at } => at,
        }
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        let seconds = i64::try_from(by.as_secs()).unwrap_or(i64::MAX / 4);
        match self {
            Clock::Real { offset } => *offset += seconds,
            Clock::Set { at } => *at += seconds,
        }
    }
}

/// The machine's own time, which a token signed by the app is judged by.
pub(crate) fn real() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0))
}

/// `2026-11-21T13:01:48Z`.
pub(crate) fn iso(at: i64) -> String {
    let (days, rest) = (at.div_euclid(86_400), at.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Days since 1970 as a date (Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_github_writes_them() {
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(1_709_210_096), "2024-02-29T12:34:56Z");
    }
}

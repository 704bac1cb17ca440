//! What day is it, as a chat template asks?

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Today (UTC), written as C's `strftime` would; what it does not know stays as it is. There are no hours: the prompt
/// of a question that is asked again is to be the same, so that what was read of it is not read again.
pub(super) fn today(format: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    written(format, (now.as_secs() / 86_400) as i64)
}

fn written(format: &str, day: i64) -> String {
    let (year, month, day) = date(day);
    let name = MONTHS[month as usize - 1];
    let mut text = String::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        match (c, rest.clone().next()) {
            ('%', Some(what @ ('Y' | 'y' | 'm' | 'd' | 'B' | 'b' | 'H' | 'M' | 'S' | '%'))) => {
                rest.next();
                text += &match what {
                    'Y' => year.to_string(),
                    'y' => format!("{:02}", year % 100),
                    'm' => format!("{month:02}"),
                    'd' => format!("{day:02}"),
                    'B' => name.to_owned(),
                    'b' => name[..3].to_owned(),
                    '%' => "%".to_owned(),
                    _ => "00".to_owned(),
                };
            }
            _ => text.push(c),
        }
    }
    text
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        assert_eq!(written("%d %b %Y", 0), "01 Jan 1970");
        assert_eq!(written("%Y-%m-%d", 19_782), "2024-02-29");
        assert_eq!(written("%B %d, %y 100%% %q %", 20_454), "January 01, 26 100% %q %");
    }
}

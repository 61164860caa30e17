//! How old a version of yt-dlp is: its versions are dates.

/// Seconds of a day.
const DAY_S: u64 = 86_400;
/// Days of a month, about.
const MONTH_DAYS: i64 = 30;

/// Returns how many months ago `version`, such as `2026.10.26`, came out.
pub fn months(version: &str, now_s: u64) -> Option<u16> {
    let mut parts = version
        .trim()
        .split('.')
        .map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(2_000..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let today = i64::try_from(now_s / DAY_S).ok()?;
    let age = (today - days(year, month, day)).max(0);
    Some(u16::try_from(age / MONTH_DAYS).unwrap_or(u16::MAX))
}

/// Returns the days from 1970 to a date: Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms".
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_from_1970() {
        for ((year, month, day), expected) in [
            ((1970, 1, 1), 0),
            ((1970, 3, 1), 59),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2026, 11, 20), 20_777),
        ] {
            assert_eq!(days(year, month, day), expected, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn versions_are_as_old_as_their_dates() {
        let now_s = 20_777 * DAY_S;
        for (version, expected) in [
            ("2026.11.20", Some(0)),
            ("2026.10.26", Some(0)),
            ("2026.10.20\n", Some(1)),
            ("2025.11.20.123456", Some(12)),
            ("2027.01.01", Some(0)),
            ("1.2.3", None),
            ("2026.13.01", None),
            ("master", None),
            ("", None),
        ] {
            assert_eq!(months(version, now_s), expected, "{version}");
        }
    }
}

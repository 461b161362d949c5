//! How long to wait before asking again.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

use crate::keyed;

/// The longest pause that a server can ask for; what is longer waits this long and asks again.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// The first pause where the server names none.
const FIRST: Duration = Duration::from_millis(500);

/// The pause that a reply's headers ask for, if they do: `retry-after-ms`, `retry-after` (seconds with or without a
/// fraction, or an HTTP date), or else the `x-ratelimit-reset-*` of a limit that is used up.
///
/// A date counts from the server's own `date` where there is one, so that the difference of two clocks does no harm.
/// Values that make no sense (negative, infinite, text) are as good as absent.
pub(super) fn named(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let milliseconds = text("retry-after-ms").and_then(number).map(|value| value / 1e3);
    let after = text("retry-after").and_then(|value| match number(value) {
        Some(seconds) => Some(seconds),
        None => until(value, text("date").and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now)),
    });
    let longest = [milliseconds, after].into_iter().flatten().reduce(f64::max);
    longest.or_else(|| resets(&text)).map(clamp)
}

/// The longest reset among the limits that are used up.
fn resets<'a>(text: &impl Fn(&str) -> Option<&'a str>) -> Option<f64> {
    ["requests", "tokens"]
        .iter()
        .filter(|unit| text(&format!("x-ratelimit-remaining-{unit}")).and_then(number) == Some(0.0))
        .filter_map(|unit| text(&format!("x-ratelimit-reset-{unit}")).and_then(span))
        .reduce(f64::max)
}

/// Seconds from `now` to an HTTP date; none for a date in the past.
fn until(date: &str, now: SystemTime) -> Option<f64> {
    let date = httpdate::parse_http_date(date.trim()).ok()?;
    Some(date.duration_since(now).ok()?.as_secs_f64())
}

/// A number of seconds, or one with units such as `6m0s` or `120ms`, in seconds.
pub(super) fn span(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Some(seconds) = number(text) {
        return Some(seconds);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let value = number(&rest[..digits])?;
        rest = &rest[digits..];
        let letters = rest.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(rest.len());
        seconds += value
            * match &rest[..letters] {
                "d" => 86400.0,
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                _ => return None,
            };
        rest = &rest[letters..];
    }
    (!text.is_empty()).then_some(seconds)
}

/// A finite number that is not negative.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    // `f64` also parses `inf`, `nan` and `infinity`.
    let is_plain = text.starts_with(|character: char| character.is_ascii_digit() || character == '.');
    text.parse().ok().filter(|value: &f64| is_plain && value.is_finite())
}

fn clamp(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).map_or(LONGEST, |pause| pause.min(LONGEST))
}

/// Exponential backoff with full jitter: anything from nothing to `FIRST * 2^attempt`, at most `longest`. `attempt` counts
/// from 0; `key` makes the draw.
pub(super) fn backoff(key: &[u64], attempt: u32, longest: Duration) -> Duration {
    let most = FIRST.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(longest);
    most.mul_f64(keyed::mix(key) as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named_by(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let headers = pairs.iter().map(|(name, value)| {
            (reqwest::header::HeaderName::from_static(name), reqwest::header::HeaderValue::from_str(value).unwrap())
        });
        // 2015-10-21 07:28:00 UTC
        named(&headers.collect(), SystemTime::UNIX_EPOCH + Duration::from_mins(24_090_208))
    }

    #[test]
    fn every_spelling_of_a_pause_is_understood() {
        for (pairs, seconds) in [
            (&[("retry-after", "2")][..], 2.0),
            (&[("retry-after", " 0.25 ")], 0.25),
            (&[("retry-after", "3600")], 3600.0),
            (&[("retry-after-ms", "1500")], 1.5),
            (&[("retry-after", "1"), ("retry-after-ms", "1500")], 1.5),
            (&[("retry-after", "Wed, 21 Oct 2015 07:28:05 GMT")], 5.0),
            (&[("retry-after", "Wed, 21 Oct 2015 07:30:00 GMT"), ("date", "Wed, 21 Oct 2015 07:29:58 GMT")], 2.0),
            (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")], 360.0),
            (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "120ms")], 0.12),
            (&[("retry-after", "1e300")], 604_800.0),
        ] {
            assert_eq!(named_by(pairs), Some(Duration::from_secs_f64(seconds)), "{pairs:?}");
        }
    }

    #[test]
    fn hostile_values_are_as_good_as_absent() {
        for value in ["-1", "inf", "NaN", "infinity", "soon", "", "1 hour", "0x10", "Wed, 21 Oct 1970 07:28:05 GMT"] {
            assert_eq!(named_by(&[("retry-after", value)]), None, "{value}");
            assert_eq!(named_by(&[("retry-after-ms", value)]), None, "{value}");
        }
        assert_eq!(named_by(&[("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-reset-tokens", "1s")]), None);
        assert_eq!(span("1x"), None);
        assert_eq!(span("1h2m3.5s"), Some(3723.5));
    }

    #[test]
    fn backoff_grows_to_its_cap_and_is_spread() {
        let longest = Duration::from_mins(2);
        let draws: Vec<Duration> = (0..1000).map(|draw| backoff(&[7, draw], 3, longest)).collect();
        assert!(draws.iter().all(|&pause| pause <= Duration::from_secs(4)));
        assert!(draws.iter().any(|&pause| pause < Duration::from_millis(400)));
        assert!(draws.iter().any(|&pause| pause > Duration::from_millis(3600)));
        assert!(backoff(&[1], 60, longest) <= longest);
    }
}

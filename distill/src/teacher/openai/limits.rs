//! How fast an endpoint may be asked: requests and tokens per minute, pauses, and how many requests at a time.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;

use super::pause::{number, span};
use super::settings::Limits;

/// The share of a minute's limit that may be used at once; the rest comes evenly, so that no minute ever exceeds the limit.
const BURST: f64 = 0.1;

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bucket {
    level: f64,
    capacity: f64,
    per_second: f64,
    filled: Instant,
}

impl Bucket {
    /// A full bucket through which at most `per_minute` units go in any 60 seconds.
    pub(super) fn new(per_minute: NonZeroU32, now: Instant) -> Self {
        let per_minute = f64::from(per_minute.get());
        let capacity = (per_minute * BURST).max(1.0);
        let evenly = if per_minute > capacity { per_minute - capacity } else { per_minute };
        let per_second = evenly / 60.0;
        Self { level: capacity, capacity, per_second, filled: now }
    }

    fn fill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.filled).as_secs_f64();
        self.level = (self.level + seconds * self.per_second).min(self.capacity);
        self.filled = now;
    }

    /// When `units` may go; something larger than the bucket goes when it is full.
    pub(super) fn ready(&mut self, units: f64, now: Instant) -> Instant {
        self.fill(now);
        let missing = units.min(self.capacity) - self.level;
        // Rounded up, so that the units are there when the time has come.
        now + Duration::from_secs_f64((missing / self.per_second).clamp(0.0, 86_400.0))
            + ROUNDING * u32::from(missing > 0.0)
    }

    pub(super) fn take(&mut self, units: f64) {
        self.level -= units;
    }
}

const ROUNDING: Duration = Duration::from_micros(100);

/// What a server says about one of its limits.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    limit: f64,
    remaining: f64,
    /// Seconds until all of it is there again.
    reset_s: f64,
}

impl Rate {
    /// Units a second with which the limit fills again; per minute where the server does not say.
    fn per_second(self) -> f64 {
        const SLOWEST: f64 = 1.0 / 86_400.0;
        let used = self.limit - self.remaining;
        let rate = if self.reset_s > 0.0 && used > 0.0 { used / self.reset_s } else { self.limit / 60.0 };
        rate.max(self.limit * SLOWEST)
    }
}

/// One limit: the user's own, and the same as the server states it. Both hold.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    own: Option<Bucket>,
    /// As the latest reply states it. Older statements are forgotten: many servers count in whole seconds or windows, and
    /// the slowest statement ever made would hold for the rest of the run.
    stated: Option<Bucket>,
    /// Units sent that no reply has come for; the server may not have counted them when it stated what remains.
    unanswered: f64,
}

impl Lane {
    fn new(per_minute: Option<NonZeroU32>, now: Instant) -> Self {
        Self { own: per_minute.map(|limit| Bucket::new(limit, now)), ..Self::default() }
    }

    fn ready(&mut self, units: f64, now: Instant) -> Instant {
        let buckets = [&mut self.own, &mut self.stated];
        buckets.into_iter().flatten().map(|bucket| bucket.ready(units, now)).fold(now, Instant::max)
    }

    fn take(&mut self, units: f64) {
        self.unanswered += units;
        for bucket in [&mut self.own, &mut self.stated].into_iter().flatten() {
            bucket.take(units);
        }
    }

    fn answered(&mut self, units: f64, rate: Option<Rate>, now: Instant) {
        self.unanswered = (self.unanswered - units).max(0.0);
        if let Some(rate) = rate {
            let level = rate.remaining - self.unanswered;
            self.stated = Some(Bucket { level, capacity: rate.limit, per_second: rate.per_second(), filled: now });
        }
    }
}

/// The limits that a reply's headers state.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct RateHeaders {
    requests: Option<Rate>,
    tokens: Option<Rate>,
}

impl RateHeaders {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let rate = |unit: &str| {
            let text = |part: &str| headers.get(format!("x-ratelimit-{part}-{unit}"))?.to_str().ok();
            let limit = number(text("limit")?).filter(|limit| (1.0..1e12).contains(limit))?;
            let remaining = number(text("remaining")?)?.min(limit);
            Some(Rate { limit, remaining, reset_s: text("reset").and_then(span).unwrap_or(0.0) })
        };
        Self { requests: rate("requests"), tokens: rate("tokens") }
    }
}

/// The window of additive increase and multiplicative decrease: how many requests may be under way.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Window {
    size: f64,
    most: f64,
    shrunk: Option<Instant>,
}

impl Window {
    fn grow(&mut self) {
        self.size = (self.size + 1.0 / self.size).min(self.most);
    }

    /// Halves the window; once for all requests that were under way together.
    fn shrink(&mut self, sent: Instant, now: Instant) {
        if self.shrunk.is_none_or(|shrunk| sent >= shrunk) {
            self.size = (self.size / 2.0).max(1.0);
            self.shrunk = Some(now);
        }
    }
}

/// Everything that decides when the next request may go.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    requests: Lane,
    tokens: Lane,
    window: Window,
    paused_until: Option<Instant>,
}

impl Pace {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        let most = limits.concurrency.get() as f64;
        Self {
            requests: Lane::new(limits.requests_per_minute, now),
            tokens: Lane::new(limits.tokens_per_minute, now),
            window: Window { size: most, most, shrunk: None },
            paused_until: None,
        }
    }

    /// Requests that may be under way.
    pub(super) fn window(&self) -> usize {
        self.window.size as usize
    }

    /// Until when the endpoint wants to be left alone.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        self.paused_until.map(|until| until.saturating_duration_since(now)).filter(|pause| !pause.is_zero())
    }

    /// When a request of `tokens` (prompt and budget) may go; it may go now if that is not after `now`.
    pub(super) fn ready(&mut self, tokens: f64, now: Instant) -> Instant {
        let ready = self.requests.ready(1.0, now).max(self.tokens.ready(tokens, now));
        self.paused_until.map_or(ready, |until| ready.max(until))
    }

    /// Counts a request that goes now.
    pub(super) fn take(&mut self, tokens: f64) {
        self.requests.take(1.0);
        self.tokens.take(tokens);
    }

    /// Learns that a request of `tokens` is over, and from the headers of its reply; none came with a fault.
    pub(super) fn answered(&mut self, tokens: f64, rates: RateHeaders, now: Instant) {
        self.requests.answered(1.0, rates.requests, now);
        self.tokens.answered(tokens, rates.tokens, now);
    }

    /// Learns that a request succeeded.
    pub(super) fn succeeded(&mut self) {
        self.window.grow();
    }

    /// Learns that the endpoint has too much to do with a request sent at `sent`.
    pub(super) fn overloaded(&mut self, sent: Instant, now: Instant) {
        self.window.shrink(sent, now);
    }

    /// Leaves the endpoint alone for `pause`.
    pub(super) fn rest(&mut self, pause: Duration, now: Instant) {
        self.paused_until = self.paused_until.max(Some(now + pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(concurrency: usize, requests: Option<u32>, tokens: Option<u32>, now: Instant) -> Pace {
        let limits = Limits {
            concurrency: concurrency.try_into().unwrap(),
            requests_per_minute: requests.and_then(NonZeroU32::new),
            tokens_per_minute: tokens.and_then(NonZeroU32::new),
            ..Limits::default()
        };
        Pace::new(&limits, now)
    }

    /// Times at which requests of `tokens` go if all are waiting at once.
    fn schedule(pace: &mut Pace, count: usize, tokens: f64, start: Instant) -> Vec<f64> {
        let mut now = start;
        (0..count)
            .map(|_| {
                now = pace.ready(tokens, now);
                pace.take(tokens);
                now.duration_since(start).as_secs_f64()
            })
            .collect()
    }

    fn most_in_a_minute(times: &[f64]) -> usize {
        times.iter().map(|from| times.iter().filter(|time| (*from..from + 60.0).contains(*time)).count()).max().unwrap()
    }

    #[test]
    fn no_minute_exceeds_the_limits_and_they_are_used() {
        let start = Instant::now();
        for limit in [1, 5, 60, 600] {
            let times = schedule(&mut pace(8, Some(limit), None, start), 3 * limit as usize + 2, 1.0, start);
            assert!(most_in_a_minute(&times) <= limit as usize, "{limit}: {}", most_in_a_minute(&times));
            assert!(*times.last().unwrap() < 60.0 * 4.5, "{limit}: {times:?}");
        }
        let times = schedule(&mut pace(8, None, Some(60_000), start), 500, 600.0, start);
        assert!(most_in_a_minute(&times) <= 100);
        assert!(times[499] < 350.0, "{}", times[499]);
    }

    #[test]
    fn a_request_larger_than_the_bucket_goes_when_it_is_full() {
        let start = Instant::now();
        let times = schedule(&mut pace(8, None, Some(100), start), 2, 1000.0, start);
        assert!(times[0] == 0.0 && times[1].is_finite() && times[1] > 60.0, "{times:?}");
    }

    fn headers(limit: u32, remaining: &str, reset: &str) -> RateHeaders {
        let limit = limit.to_string();
        let name = |part: &str| format!("x-ratelimit-{part}-requests").parse().unwrap();
        let pairs = [("limit", limit.as_str()), ("remaining", remaining), ("reset", reset)];
        let headers: HeaderMap = pairs.into_iter().map(|(part, value)| (name(part), value.parse().unwrap())).collect();
        RateHeaders::of(&headers)
    }

    #[test]
    fn headers_slow_the_pace_and_never_hasten_it() {
        let start = Instant::now();
        let mut open = pace(8, None, None, start);
        open.answered(1.0, headers(100, "0", "10s"), start);
        let wait = open.ready(1.0, start).duration_since(start).as_secs_f64();
        assert!((0.1..0.2).contains(&wait), "{wait}");
        let mut limited = pace(8, Some(60), None, start);
        limited.answered(1.0, headers(100, "100", "0s"), start);
        let times = schedule(&mut limited, 100, 1.0, start);
        assert!(most_in_a_minute(&times) <= 60);
        assert_eq!(headers(100, "-1", "1s"), RateHeaders::default());
        assert_eq!(RateHeaders::of(&HeaderMap::new()), RateHeaders::default());
    }

    /// A server that allows 100 requests in each window of 10 s, and says after each how many are left until when.
    #[test]
    fn a_server_that_counts_in_windows_is_used_window_after_window() {
        let start = Instant::now();
        let mut pace = pace(8, None, None, start);
        let (mut now, mut window, mut used) = (start, 0, 0);
        for request in 0..500 {
            now = pace.ready(1.0, now);
            let seconds = now.duration_since(start).as_secs_f64();
            let current = (seconds / 10.0) as u64;
            used = if current == window { used + 1 } else { 1 };
            window = current;
            let reset = 10.0 - seconds % 10.0;
            pace.take(1.0);
            pace.answered(1.0, headers(100, &(100_u32.saturating_sub(used)).to_string(), &format!("{reset}")), now);
            assert!(seconds < 70.0, "request {request} after {seconds} s");
        }
    }

    #[test]
    fn one_slow_statement_does_not_hold_for_ever() {
        let start = Instant::now();
        let mut pace = pace(8, None, None, start);
        // One request used, and a reset rounded up to a second: that would be one request a second.
        pace.answered(1.0, headers(10, "9", "1s"), start);
        pace.answered(1.0, headers(10, "5", "0.03s"), start);
        let times = schedule(&mut pace, 100, 1.0, start);
        assert!(*times.last().unwrap() < 1.0, "{times:?}");
    }

    #[test]
    fn requests_under_way_count_against_what_remains() {
        let start = Instant::now();
        let mut pace = pace(8, None, None, start);
        for _ in 0..4 {
            pace.take(1.0);
        }
        // The server had counted only the first of the four when it said that three remain.
        pace.answered(1.0, headers(4, "3", "60s"), start);
        assert!(pace.ready(1.0, start) > start + Duration::from_secs(30));
        pace.answered(1.0, headers(4, "2", "1s"), start);
        pace.answered(1.0, RateHeaders::default(), start);
        pace.answered(1.0, headers(4, "4", "0s"), start);
        assert_eq!(pace.ready(1.0, start), start);
    }

    #[test]
    fn the_window_halves_once_per_round_and_grows_back_by_one_a_round() {
        let start = Instant::now();
        let mut pace = pace(64, None, None, start);
        let later = start + Duration::from_secs(1);
        for _ in 0..64 {
            pace.overloaded(start, later);
        }
        assert_eq!(pace.window(), 32);
        pace.overloaded(later, later + Duration::from_secs(1));
        assert_eq!(pace.window(), 16);
        for _ in 0..17 {
            pace.succeeded();
        }
        assert_eq!(pace.window(), 17);
        for _ in 0..100_000 {
            pace.succeeded();
        }
        assert_eq!(pace.window(), 64);
        for second in 10..30 {
            pace.overloaded(start + Duration::from_secs(second), start + Duration::from_secs(second));
        }
        assert_eq!(pace.window(), 1);
    }

    #[test]
    fn a_pause_holds_for_everybody_and_the_longest_counts() {
        let start = Instant::now();
        let mut pace = pace(8, None, None, start);
        pace.rest(Duration::from_secs(5), start);
        pace.rest(Duration::from_secs(1), start);
        assert_eq!(pace.ready(1.0, start), start + Duration::from_secs(5));
        assert_eq!(pace.pause(start), Some(Duration::from_secs(5)));
        assert_eq!(pace.pause(start + Duration::from_secs(5)), None);
    }
}

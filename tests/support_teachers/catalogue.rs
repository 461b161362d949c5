//! The 30 teacher faults, as data.

use crate::fault::{Cause, Course, Fault, FaultType, Outage, Streaming, Wait, When};

/// Most faults: what the first two attempts of a request meet, often.
const EARLY: When = When::Attempts { first: 2, share: 0.3 };
/// Replies that make no sense, of which the client bears three a question; a question of two steps meets two.
const MALFORMED: When = When::Attempts { first: 1, share: 0.5 };
/// Faults that cost real time.
const RARE: When = When::Attempts { first: 1, share: 0.04 };
/// Throttling, which stops the whole endpoint.
const THROTTLE: When = When::Bursts { every: 100, count: 4 };

const fn replies(number: u8, name: &'static str, when: When, faults: &'static [Fault]) -> FaultType {
    let cause = Cause::Replies { when, faults };
    FaultType { number, name, cause, course: Course::Rides, streaming: Streaming::Alternating, needs_timeouts: false }
}

const fn address(number: u8, name: &'static str, url: &'static str, said: &'static str) -> FaultType {
    let course = Course::Stops(said);
    FaultType { cause: Cause::Address(url), course, needs_timeouts: true, ..replies(number, name, EARLY, &[]) }
}

const fn outage(number: u8, name: &'static str, outage: Outage) -> FaultType {
    FaultType { cause: Cause::Outage(outage), needs_timeouts: true, ..replies(number, name, EARLY, &[]) }
}

const fn timed(fault: FaultType) -> FaultType {
    FaultType { needs_timeouts: true, ..fault }
}

const fn streamed(fault: FaultType) -> FaultType {
    FaultType { streaming: Streaming::Always, ..fault }
}

const fn status(status: u16, code: &'static str, wait: Wait) -> Fault {
    Fault::Status { status, code, wait }
}

const fn throttled(wait: Wait) -> Fault {
    status(429, "rate_limit_exceeded", wait)
}

/// All of them; the number is the position plus one.
pub(crate) const CATALOGUE: [FaultType; 30] = [
    outage(1, "refused", Outage::Refused),
    address(2, "DNS failure", "http://nonexistent.invalid:{port}/v1", "cannot be reached"),
    address(3, "TLS failure", "https://127.0.0.1:{port}/v1", "cannot be reached"),
    outage(4, "black-holed connect", Outage::BlackHole),
    replies(5, "reset before headers", EARLY, &[Fault::Reset]),
    timed(replies(6, "no header", RARE, &[Fault::NoHeader])),
    timed(replies(7, "body stall", RARE, &[Fault::Stall])),
    replies(8, "one-byte drip", RARE, &[Fault::Drip]),
    replies(9, "reset in the body", EARLY, &[Fault::ResetInBody]),
    replies(10, "wrong Content-Length", EARLY, &[Fault::LongLength, Fault::ShortLength]),
    replies(11, "broken chunking", EARLY, &[Fault::BrokenChunk, Fault::NoLastChunk]),
    streamed(replies(
        12,
        "stream without finish_reason",
        EARLY,
        &[Fault::NoFinish { done: true }, Fault::NoFinish { done: false }],
    )),
    streamed(replies(13, "malformed event", MALFORMED, &[Fault::MalformedEvent])),
    streamed(replies(14, "events in slices", When::Prompts { share: 0.3 }, &[Fault::Slices])),
    replies(15, "429 with seconds", THROTTLE, &[throttled(Wait::Seconds(1))]),
    replies(16, "429 with date or ms", THROTTLE, &[throttled(Wait::Date(2)), throttled(Wait::Milliseconds(700))]),
    replies(17, "429 without header", EARLY, &[throttled(Wait::Unsaid)]),
    replies(
        18,
        "429 with nonsense",
        EARLY,
        &[
            throttled(Wait::Text("-1")),
            throttled(Wait::Text("inf")),
            throttled(Wait::Text("soon")),
            throttled(Wait::Text("")),
        ],
    ),
    FaultType {
        course: Course::Stops("quota"),
        ..replies(
            19,
            "quota",
            When::After(60),
            &[status(429, "insufficient_quota", Wait::Unsaid), status(402, "insufficient_quota", Wait::Unsaid)],
        )
    },
    replies(
        20,
        "5xx bursts",
        When::Bursts { every: 120, count: 20 },
        &[
            status(500, "server_error", Wait::Unsaid),
            status(502, "bad_gateway", Wait::Unsaid),
            status(503, "overloaded", Wait::Milliseconds(300)),
            status(529, "overloaded_error", Wait::Unsaid),
        ],
    ),
    replies(
        21,
        "408 and 409",
        EARLY,
        &[status(408, "request_timeout", Wait::Unsaid), status(409, "conflict", Wait::Unsaid)],
    ),
    FaultType {
        course: Course::Fails,
        ..replies(
            22,
            "terminal 4xx",
            When::Prompts { share: 0.2 },
            &[
                status(400, "context_length_exceeded", Wait::Unsaid),
                status(413, "too_large", Wait::Unsaid),
                status(422, "unprocessable", Wait::Unsaid),
            ],
        )
    },
    replies(
        23,
        "200 with another body",
        MALFORMED,
        &[
            Fault::Body { kind: "application/json", body: br#"{"error": {"message": "try again", "code": 500}}"# },
            Fault::Body { kind: "text/html", body: b"<html><body>Bad gateway</body></html>" },
            Fault::Body { kind: "application/json", body: br#"["choices"]"# },
            Fault::Body { kind: "application/json", body: br#"{"choices": "none"}"# },
            Fault::Body { kind: "application/json", body: b"" },
        ],
    ),
    replies(
        24,
        "no content",
        MALFORMED,
        &[
            Fault::Text(r#""""#),
            Fault::Text("null"),
            Fault::Body { kind: "application/json", body: br#"{"id": "reply-0", "choices": []}"# },
        ],
    ),
    replies(
        25,
        "length and filter",
        When::Prompts { share: 0.2 },
        &[Fault::Finish("length"), Fault::Finish("content_filter")],
    ),
    replies(26, "broken text", MALFORMED, &[Fault::Mangled(b"\xff\xfe"), Fault::Mangled(br"\ud83d")]),
    timed(replies(27, "late or doubled reply", When::Attempts { first: 1, share: 0.1 }, &[Fault::Late, Fault::Twice])),
    replies(
        28,
        "100 MB",
        When::Attempts { first: 1, share: 0.02 },
        &[Fault::Huge { is_announced: true }, Fault::Huge { is_announced: false }, Fault::Bomb],
    ),
    FaultType {
        course: Course::Stops("redirects"),
        ..replies(
            29,
            "redirect to another host",
            When::After(60),
            &[Fault::Redirect(302), Fault::Redirect(307), Fault::Redirect(308)],
        )
    },
    replies(
        30,
        "odd usage",
        When::Prompts { share: 0.5 },
        &[
            Fault::Usage("null"),
            Fault::Usage(r#"{"prompt_tokens": -5, "completion_tokens": 1e300}"#),
            Fault::Usage(r#"{"prompt_tokens": "many", "completion_tokens": 18446744073709551616}"#),
            Fault::Usage("[]"),
        ],
    ),
];

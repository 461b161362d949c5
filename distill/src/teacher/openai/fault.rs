//! What can go wrong with one attempt, and whether another one may help.

use std::error::Error;
use std::time::Duration;

use serde_json::Value;

use super::OpenaiError;

/// Longest text of a server that goes into a message or the store, in characters.
const MOST_DETAIL: usize = 300;

/// Codes and types of errors that waiting does not mend.
const QUOTA: [&str; 8] = [
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "quota_exceeded",
    "insufficient_balance",
    "insufficient_credits",
    "credit_balance_too_low",
    "access_terminated",
];

/// What an attempt's fault means for those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Another attempt may succeed.
    Retry,
    /// The reply cannot be used; another attempt may succeed, but not many are made.
    Malformed,
    /// No attempt at this completion will succeed.
    Sample,
    /// No attempt at any completion will succeed: the key is refused.
    Refused,
    /// No attempt at any completion will succeed: there is no money left.
    Quota,
    /// No attempt at any completion will succeed: the endpoint is elsewhere.
    Redirect,
}

/// Why an attempt brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// A stable code, such as `http_429` or `truncated`.
    pub(super) code: String,
    pub(super) class: Class,
    /// What the server said, or the connection.
    pub(super) detail: String,
    /// The HTTP status, where there is one.
    pub(super) status: Option<u16>,
    /// How long the server wants to be left alone.
    pub(super) pause: Option<Duration>,
    /// Whether the endpoint may have worked on the request, and charged for it.
    pub(super) may_cost: bool,
}

impl Fault {
    pub(super) fn new(code: impl Into<String>, class: Class, detail: impl Into<String>) -> Self {
        let detail = clip(&detail.into());
        Self { code: code.into(), class, detail, status: None, pause: None, may_cost: false }
    }

    /// A reply that cannot be used; the endpoint has worked on it.
    pub(super) fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self { may_cost: true, ..Self::new(code, Class::Malformed, detail) }
    }

    /// A reply that did not come, or not to its end.
    pub(super) fn cut(code: &'static str, detail: impl Into<String>) -> Self {
        Self { may_cost: true, ..Self::new(code, Class::Retry, detail) }
    }

    /// A connection that failed.
    pub(super) fn connection(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let detail = innermost(&error);
        let lower = detail.to_lowercase();
        if error.is_connect() {
            let code = if lower.contains("dns") || lower.contains("lookup") {
                "dns"
            } else if lower.contains("tls") || lower.contains("certificate") || causes(&error).any(is_tls) {
                "tls"
            } else {
                "connect"
            };
            return Self::new(code, Class::Retry, detail);
        }
        let code = if error.is_timeout() { "timeout" } else { "connection_lost" };
        Self::cut(code, detail)
    }

    /// Whether nothing was reached that could have answered.
    pub(super) fn is_unreachable(&self) -> bool {
        ["connect", "dns", "tls"].contains(&self.code.as_str())
    }

    /// Whether fewer requests at a time may help.
    pub(super) fn is_overload(&self) -> bool {
        matches!(self.status, Some(429 | 503 | 529)) || self.is_unreachable()
    }

    /// The error that ends the run, if this fault does.
    pub(super) fn end_of_run(&self) -> Option<OpenaiError> {
        // An error without a status of its own came as the body of a reply that seemed good.
        let (status, detail) = (self.status.unwrap_or(200), self.detail.clone());
        match self.class {
            Class::Retry | Class::Malformed | Class::Sample => None,
            Class::Refused => Some(OpenaiError::Refused { status, detail }),
            Class::Quota => Some(OpenaiError::Quota { status, detail }),
            Class::Redirect => Some(OpenaiError::Redirect { status, target: detail }),
        }
    }
}

fn is_tls(cause: &(dyn Error + 'static)) -> bool {
    cause.is::<rustls::Error>()
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

/// The chain of an error below its outermost link, which only says that something failed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let links: Vec<String> = causes(error).skip(1).map(ToString::to_string).collect();
    if links.is_empty() { error.to_string() } else { links.join(": ") }
}

/// A server's text in one line, without control characters, not too long.
pub(super) fn clip(text: &str) -> String {
    let line: Vec<&str> =
        text.split(|character: char| character.is_control()).filter(|part| !part.is_empty()).collect();
    let line = line.join(" ");
    match line.char_indices().nth(MOST_DETAIL) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// An error as a server words it, in any of the usual forms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerError {
    pub(super) message: String,
    /// `type` and `code`, where they are texts.
    pub(super) names: Vec<String>,
    /// A status that the error itself names.
    pub(super) status: Option<u16>,
}

impl ServerError {
    /// The error in `value`: `error` as object or text, `detail`, or an object that says of itself that it is one.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let error = match value.get("error") {
            None | Some(Value::Null | Value::Bool(false)) => None,
            Some(error) => Some(error),
        };
        let is_error = |name: &str| value.get(name).and_then(Value::as_str) == Some("error");
        let error = error.or_else(|| (is_error("object") || is_error("type")).then_some(value));
        let Some(error) = error else {
            let detail = value.get("detail").or_else(|| value.get("message"))?;
            return value.get("choices").is_none().then(|| Self { message: text_of(detail), ..Self::default() });
        };
        if let Value::String(message) = error {
            return Some(Self { message: message.clone(), ..Self::default() });
        }
        let message = error.get("message").or_else(|| error.get("detail")).map_or_else(|| error.to_string(), text_of);
        let fields = ["type", "code", "status"].map(|key| error.get(key));
        let names = fields.iter().flatten().filter_map(|name| name.as_str()).map(str::to_owned).collect();
        let number = |field: &Value| field.as_u64().or_else(|| field.as_str()?.parse().ok());
        let status = fields.iter().flatten().find_map(|field| number(field).filter(|code| (400..600).contains(code)));
        Some(Self { message, names, status: status.map(|status| status as u16) })
    }

    fn is_quota(&self) -> bool {
        self.names.iter().any(|name| QUOTA.contains(&name.to_lowercase().as_str()))
    }

    fn is_overload(&self) -> bool {
        let overload = |name: &String| {
            let name = name.to_lowercase();
            ["overload", "rate_limit", "unavailable", "server_error", "timeout"].iter().any(|word| name.contains(word))
        };
        self.names.iter().any(overload)
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The class of a reply with `status` that is no completion.
pub(super) fn class_of(status: u16, error: Option<&ServerError>) -> Class {
    if error.is_some_and(ServerError::is_quota) && (status < 400 || [402, 403, 429].contains(&status)) {
        return Class::Quota;
    }
    match status {
        401 | 403 => Class::Refused,
        402 => Class::Quota,
        408 | 409 | 425 | 429 | 500..=599 => Class::Retry,
        400..=499 => Class::Sample,
        300..=399 => Class::Redirect,
        200..=299 => match error {
            Some(ServerError { status: Some(status), .. }) => class_of(*status, error),
            Some(error) if error.is_overload() => Class::Retry,
            _ => Class::Malformed,
        },
        _ => Class::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_class() {
        for (statuses, class) in [
            (&[408, 409, 425, 429, 500, 502, 503, 504, 529][..], Class::Retry),
            (&[400, 404, 405, 413, 415, 422], Class::Sample),
            (&[401, 403], Class::Refused),
            (&[402], Class::Quota),
            (&[301, 302, 303, 307, 308], Class::Redirect),
            (&[200, 204, 101, 600], Class::Malformed),
        ] {
            for &status in statuses {
                assert_eq!(class_of(status, None), class, "{status}");
            }
        }
    }

    #[test]
    fn errors_are_read_in_every_form() {
        for (body, class) in [
            (r#"{"error":{"message":"m","type":"insufficient_quota"}}"#, Class::Quota),
            (r#"{"error":{"message":"m","type":"t","code":"insufficient_quota"}}"#, Class::Quota),
            (r#"{"error":{"message":"m","code":"rate_limit_exceeded"}}"#, Class::Retry),
            (r#"{"error":{"message":"m","code":429}}"#, Class::Retry),
            (r#"{"error":{"message":"m","code":"401"}}"#, Class::Refused),
            (r#"{"object":"error","message":"m","code":400}"#, Class::Sample),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#, Class::Retry),
            (r#"{"error":"m"}"#, Class::Malformed),
            (r#"{"detail":"m"}"#, Class::Malformed),
        ] {
            let error = ServerError::of(&serde_json::from_str(body).unwrap()).unwrap();
            assert_eq!((error.message.as_str(), class_of(200, Some(&error))), ("m", class), "{body}");
        }
        for body in [r#"{"choices":[]}"#, r#"{"error":null,"choices":[]}"#, "[]", "3"] {
            assert_eq!(ServerError::of(&serde_json::from_str(body).unwrap()), None, "{body}");
        }
        let quota = ServerError { names: vec!["insufficient_quota".to_owned()], ..ServerError::default() };
        assert_eq!(class_of(429, Some(&quota)), Class::Quota);
        assert_eq!(class_of(500, Some(&quota)), Class::Retry);
    }

    #[test]
    fn a_servers_text_is_one_short_line() {
        assert_eq!(clip("a\r\nb\u{1b}[31m"), "a b [31m");
        assert_eq!(clip(&"ü".repeat(1000)).chars().count(), MOST_DETAIL + 1);
    }
}

//! One attempt: a request sent once, its reply read whole, or the fault that came instead.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Response, Url, redirect};
use tokio::time::timeout;

use super::dialect::Reply;
use super::fault::{Class, Fault, ServerError, class_of};
use super::key::ApiKey;
use super::limits::RateHeaders;
use super::stream::EventStream;
use super::{Api, OpenaiError, OpenaiSource, pause};

/// Names the request; a reply that names another one belongs to somebody else.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");

/// Largest body of any reply.
const MOST_BODY_BYTES: usize = 16 << 20;
/// What a reply may need apart from its tokens, and for each of them (escaped, with its log-probability).
const ENVELOPE_BYTES: usize = 256 << 10;
const TOKEN_BYTES: usize = 1 << 10;
/// Largest error text that is read.
const MOST_ERROR_BYTES: usize = 64 << 10;

/// An HTTP client for one endpoint.
///
/// Replies are paired with requests by their connection (HTTP/1.1), and a connection whose reply was not read to its end is
/// closed: a late reply is never read.
pub(super) struct EndpointClient {
    http: Client,
    url: Url,
    key: Option<ApiKey>,
    idle: Duration,
    connect: Duration,
    total: Duration,
    most_bytes: usize,
    takes_reasoning: bool,
    is_streamed: bool,
    /// Whether a stream of this server ever ended with `[DONE]`: then all must.
    says_done: AtomicBool,
}

/// What one attempt brought.
pub(super) struct Outcome {
    pub(super) reply: Result<Reply, Fault>,
    pub(super) rates: RateHeaders,
}

impl EndpointClient {
    /// # Errors
    /// The key cannot be read; TLS cannot be set up.
    pub(super) fn new(source: &OpenaiSource, takes_reasoning: bool) -> Result<Self, OpenaiError> {
        let failed = |found: String| OpenaiError::Http { found };
        let key = ApiKey::of(&source.endpoint)?;
        let url = operation(source).map_err(failed)?;
        let limits = &source.limits;
        let connect = Duration::from_secs_f64(limits.connect_timeout_s);
        // Another part of the process may have installed one; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .default_headers(headers(key.as_ref()))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .connect_timeout(connect)
            .pool_max_idle_per_host(limits.concurrency.get())
            .pool_idle_timeout(Duration::from_secs(20))
            .tcp_nodelay(true);
        if is_loopback(&url) {
            builder = builder.no_proxy();
        }
        if url.scheme() == "http" {
            // No certificate is ever looked at, so a machine without any still works.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| failed(Fault::connection(error).detail))?;
        let tokens = limits_of(source);
        Ok(Self {
            http,
            url,
            key,
            idle: Duration::from_secs_f64(limits.idle_timeout_s),
            connect,
            total: Duration::from_secs_f64(limits.timeout_s),
            most_bytes: (ENVELOPE_BYTES + tokens * TOKEN_BYTES).min(MOST_BODY_BYTES),
            takes_reasoning,
            is_streamed: source.endpoint.stream,
            says_done: AtomicBool::new(false),
        })
    }

    /// What is asked, without query and credentials.
    pub(super) fn address(&self) -> String {
        plain(self.url.clone())
    }

    /// Sends `body` once, under the name `id`.
    pub(super) async fn attempt(&self, body: Vec<u8>, id: String) -> Outcome {
        let mut rates = RateHeaders::default();
        let attempt = async {
            let response = self.send(body, &id).await?;
            rates = RateHeaders::of(response.headers());
            self.read(response, &id).await
        };
        let reply = match timeout(self.total, attempt).await {
            Ok(reply) => reply,
            Err(_) => Err(Fault::cut("timeout", format!("no whole reply within {} s", self.total.as_secs_f64()))),
        };
        Outcome { reply, rates }
    }

    async fn send(&self, body: Vec<u8>, id: &str) -> Result<Response, Fault> {
        let mut request = Request::new(Method::POST, self.url.clone());
        if let Ok(value) = HeaderValue::from_str(id) {
            request.headers_mut().insert(REQUEST_ID, value);
        }
        *request.body_mut() = Some(body.into());
        // The reply may not begin before a connection stands.
        let patience = self.idle.saturating_add(self.connect);
        match timeout(patience, self.http.execute(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.connection(error)),
            Err(_) => Err(Fault::cut("stalled", format!("no reply began within {} s", patience.as_secs_f64()))),
        }
    }

    async fn read(&self, response: Response, id: &str) -> Result<Reply, Fault> {
        let status = response.status().as_u16();
        if status != 200 {
            return Err(self.refusal(status, response).await);
        }
        require_reply_to(id, response.headers())?;
        let is_event_stream = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/event-stream"));
        let mut reply = if self.is_streamed && is_event_stream {
            self.stream(response).await?
        } else {
            self.whole(response).await?
        };
        if self.takes_reasoning {
            reply.separate_reasoning();
        }
        reply.require_text(self.takes_reasoning)?;
        Ok(reply)
    }

    async fn whole(&self, response: Response) -> Result<Reply, Fault> {
        let bytes = self.body(response, self.most_bytes).await?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Fault::malformed("malformed", "the reply is no UTF-8"))?;
        match &self.key {
            Some(key) => Reply::read(&key.redact(text)),
            None => Reply::read(text),
        }
    }

    async fn stream(&self, mut response: Response) -> Result<Reply, Fault> {
        let mut events = EventStream::new(self.key.clone());
        let mut total = 0;
        while let Some(bytes) = self.chunk(&mut response).await? {
            total += bytes.len();
            if total > self.most_bytes {
                return Err(too_large(self.most_bytes));
            }
            events.push(&bytes)?;
        }
        if events.has_ended() {
            self.says_done.store(true, Ordering::Relaxed);
        }
        events.finish(self.says_done.load(Ordering::Relaxed))
    }

    /// The body, if it is whole and not longer than `most` bytes.
    async fn body(&self, mut response: Response, most: usize) -> Result<Vec<u8>, Fault> {
        let announced = response.content_length().unwrap_or(0);
        if announced > most as u64 {
            return Err(too_large(most));
        }
        let mut body = Vec::with_capacity(announced as usize);
        while let Some(bytes) = self.chunk(&mut response).await? {
            if body.len() + bytes.len() > most {
                return Err(too_large(most));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body)
    }

    async fn chunk(
        &self,
        response: &mut Response,
    ) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]>>, Fault> {
        match timeout(self.idle, response.chunk()).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(Fault { code: "truncated".to_owned(), ..self.connection(error) }),
            Err(_) => Err(Fault::cut("stalled", format!("no byte within {} s", self.idle.as_secs_f64()))),
        }
    }

    /// The fault that a status other than 200 means.
    async fn refusal(&self, status: u16, response: Response) -> Fault {
        let pause = pause::named(response.headers(), SystemTime::now());
        if (300..400).contains(&status) {
            let target = target(&self.url, response.headers());
            return Fault { status: Some(status), ..Fault::new("redirect", Class::Redirect, target) };
        }
        // The text only explains; a fault while reading it changes nothing.
        let body = self.body(response, MOST_ERROR_BYTES).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        let text = self.redacted(&text);
        let error = serde_json::from_str(&text).ok().and_then(|value| ServerError::of(&value));
        let class = class_of(status, error.as_ref());
        let message = error.map_or(text, |error| error.message);
        let code = if class == Class::Quota { "quota".to_owned() } else { format!("http_{status}") };
        Fault { status: Some(status), pause, ..Fault::new(code, class, message) }
    }

    fn redacted(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.redact(text).into_owned())
    }

    fn connection(&self, error: reqwest::Error) -> Fault {
        let fault = Fault::connection(error);
        Fault { detail: self.redacted(&fault.detail), ..fault }
    }
}

/// Most tokens of any reply to the source's requests.
fn limits_of(source: &OpenaiSource) -> usize {
    source.generation.max_tokens.max(source.generation.answer_max_tokens).get() as usize
}

fn too_large(most: usize) -> Fault {
    Fault::malformed("too_large", format!("expected a reply of at most {most} bytes, found a longer one"))
}

/// The URL of the operation: the path is appended, a query stays.
fn operation(source: &OpenaiSource) -> Result<Url, String> {
    let mut url = source.endpoint.base()?;
    let path: &[&str] = match source.endpoint.api {
        Api::Chat => &["chat", "completions"],
        Api::Completions => &["completions"],
    };
    url.path_segments_mut().map_err(|()| "an address without a path".to_owned())?.pop_if_empty().extend(path);
    Ok(url)
}

fn headers(key: Option<&ApiKey>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    let agent = concat!("pupil-distill/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    if let Some(value) = key.and_then(ApiKey::header) {
        headers.insert(header::AUTHORIZATION, value);
    }
    headers
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Refuses a reply that is encoded, which nobody asked for, or that names another request.
fn require_reply_to(id: &str, headers: &HeaderMap) -> Result<(), Fault> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        let encoding = String::from_utf8_lossy(encoding.as_bytes());
        return Err(Fault::malformed("encoded", format!("expected a plain body, found encoding `{encoding}`")));
    }
    match headers.get(REQUEST_ID) {
        Some(named) if named != id => Err(Fault::malformed("other_request", "the reply names another request")),
        _ => Ok(()),
    }
}

/// An address without query and credentials.
fn plain(mut url: Url) -> String {
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for URLs that cannot have either.
    let _ = (url.set_username(""), url.set_password(None));
    url.to_string()
}

/// Where a redirect leads, without query and credentials.
fn target(base: &Url, headers: &HeaderMap) -> String {
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    location.and_then(|location| base.join(location).ok()).map_or_else(|| "nowhere".to_owned(), plain)
}

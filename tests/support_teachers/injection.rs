//! Carries a fault out on a connection.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::answers::{Answer, Asked};
use crate::bomb;
use crate::fault::{Fault, Wait};
use crate::http::{Connection, LAST_CHUNK, Request, chunk, head};
use crate::reply::Reply;

/// Between two bytes of a drip.
const DRIP: Duration = Duration::from_millis(1);
/// A late reply comes later than any client of these tests waits.
const LATE: Duration = Duration::from_millis(1500);

/// Whose place a redirect names.
pub(crate) struct Site<'a> {
    pub(crate) asked: &'a Asked,
    pub(crate) request: &'a Request,
    pub(crate) elsewhere: &'a str,
}

/// How an injection ended.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The connection, if it goes on.
    pub(crate) connection: Option<Connection>,
    pub(crate) is_whole: bool,
    pub(crate) not_before: Option<Instant>,
}

impl Outcome {
    fn kept(connection: Connection) -> Self {
        Self { connection: Some(connection), ..Self::default() }
    }

    fn whole(connection: Connection) -> Self {
        Self { connection: Some(connection), is_whole: true, not_before: None }
    }
}

/// Answers well.
pub(crate) async fn answer(mut connection: Connection, asked: &Asked) -> io::Result<Outcome> {
    send(&mut connection, &Reply::new(asked, &asked.answer()), asked.is_streamed).await?;
    Ok(Outcome::whole(connection))
}

async fn send(connection: &mut Connection, reply: &Reply, is_streamed: bool) -> io::Result<()> {
    connection.send(&packed(reply, is_streamed)).await
}

/// A whole response.
fn packed(reply: &Reply, is_streamed: bool) -> Vec<u8> {
    if is_streamed {
        let mut bytes = head(200, &event_stream(), None);
        bytes.extend(reply.events().iter().flat_map(|event| chunk(event.as_bytes())));
        bytes.extend_from_slice(LAST_CHUNK);
        return bytes;
    }
    let body = reply.json();
    let mut bytes = head(200, &[], Some(body.len()));
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

fn event_stream() -> [String; 1] {
    ["content-type: text/event-stream".to_owned()]
}

/// Lets `fault` happen.
pub(crate) async fn inject(fault: Fault, mut connection: Connection, site: &Site<'_>) -> io::Result<Outcome> {
    let asked = site.asked;
    let reply = Reply::new(asked, &asked.answer());
    match fault {
        Fault::Reset => connection.reset()?,
        Fault::NoHeader => connection.closed().await,
        Fault::Stall
        | Fault::ResetInBody
        | Fault::LongLength
        | Fault::ShortLength
        | Fault::BrokenChunk
        | Fault::NoLastChunk => return cut(fault, connection, asked.is_streamed, &reply).await,
        Fault::Drip | Fault::Slices => {
            let pause = (fault == Fault::Drip).then_some(DRIP);
            drip(&mut connection, &packed(&reply, asked.is_streamed), pause).await?;
            return Ok(Outcome::whole(connection));
        }
        Fault::NoFinish { .. } | Fault::MalformedEvent => return break_stream(fault, connection, reply).await,
        Fault::Status { status, code, wait } => return refuse(connection, site, status, code, wait).await,
        Fault::Body { kind, body } => {
            connection.respond(200, &[format!("content-type: {kind}")], body).await?;
            return Ok(Outcome::kept(connection));
        }
        Fault::Text(_) | Fault::Finish(_) | Fault::Usage(_) => return alter(fault, connection, asked, reply).await,
        Fault::Mangled(bytes) => connection.send(&mangled(&packed(&reply, asked.is_streamed), bytes)).await?,
        Fault::Late => {
            sleep(LATE).await;
            send(&mut connection, &reply, asked.is_streamed).await?;
        }
        Fault::Twice => return double(connection, asked, reply).await,
        Fault::Foreign => {
            let reply = strangers(reply).json();
            connection.respond(200, &["x-client-request-id: another".to_owned()], reply.as_bytes()).await?;
            return Ok(Outcome::kept(connection));
        }
        Fault::Huge { is_announced } => huge(&mut connection, is_announced).await?,
        Fault::Bomb => {
            connection.respond(200, &["content-encoding: gzip".to_owned()], bomb::gzip()).await?;
            return Ok(Outcome::kept(connection));
        }
        Fault::Redirect(status) => {
            connection.respond(status, &[format!("location: {}{}", site.elsewhere, site.request.path())], b"").await?;
            return Ok(Outcome::kept(connection));
        }
    }
    Ok(Outcome::default())
}

/// The reply to another question.
fn strangers(mut reply: Reply) -> Reply {
    reply.text = json!("Another question’s reply.\nThe answer is 0.");
    reply
}

/// A stream that ends as it should, with something wrong in it.
async fn break_stream(fault: Fault, mut connection: Connection, mut reply: Reply) -> io::Result<Outcome> {
    if let Fault::NoFinish { .. } = fault {
        reply.finish = Value::Null;
    }
    let mut events = reply.events();
    match fault {
        Fault::NoFinish { done: false } => {
            events.pop();
        }
        Fault::MalformedEvent => {
            let middle = events.len() / 2;
            "data: {\"choices\": [{\"ind\n\n".clone_into(&mut events[middle]);
        }
        _ => {}
    }
    connection.send(&head(200, &event_stream(), None)).await?;
    for event in events {
        connection.send(&chunk(event.as_bytes())).await?;
    }
    connection.send(LAST_CHUNK).await?;
    Ok(Outcome::kept(connection))
}

/// A reply of the right form with another content.
async fn alter(fault: Fault, mut connection: Connection, asked: &Asked, mut reply: Reply) -> io::Result<Outcome> {
    match fault {
        Fault::Text(text) => reply.text = serde_json::from_str(text)?,
        Fault::Finish(finish) => reply = Reply::new(asked, &halved(&asked.answer(), finish)),
        Fault::Usage(usage) => reply.usage = serde_json::from_str(usage)?,
        _ => {}
    }
    send(&mut connection, &reply, asked.is_streamed).await?;
    Ok(Outcome { is_whole: !matches!(fault, Fault::Text(_)), ..Outcome::kept(connection) })
}

/// The reply, and at once another one that nobody asked for.
async fn double(mut connection: Connection, asked: &Asked, reply: Reply) -> io::Result<Outcome> {
    let mut bytes = packed(&reply, asked.is_streamed);
    bytes.extend(packed(&strangers(reply), asked.is_streamed));
    connection.send(&bytes).await?;
    Ok(Outcome::whole(connection))
}

fn halved(answer: &Answer, finish: &'static str) -> Answer {
    let half = answer.text.chars().count() / 2;
    let text = if finish == "length" { answer.text.chars().take(half).collect() } else { String::new() };
    Answer { text, finish }
}

/// Replaces the last comma or point of the text that no syntax needs; both are one byte long.
fn mangled(whole: &[u8], bytes: &[u8]) -> Vec<u8> {
    let place = whole.windows(2).rposition(|pair| pair == b".\"").unwrap_or(whole.len() - 1);
    // The announced length must hold, so that it is the text that is refused: what is put in takes the place of as much.
    let start = (place + 1).saturating_sub(bytes.len());
    [&whole[..start], bytes, &whole[place + 1..]].concat()
}

/// A reply of which the client must notice that a part is missing.
async fn cut(fault: Fault, mut connection: Connection, is_streamed: bool, reply: &Reply) -> io::Result<Outcome> {
    let (kind, body) = if is_streamed {
        (event_stream().to_vec(), reply.events().concat().into_bytes())
    } else {
        (Vec::new(), reply.json().into_bytes())
    };
    let half = &body[..body.len() / 2];
    let length = match fault {
        Fault::BrokenChunk | Fault::NoLastChunk => None,
        Fault::ShortLength => Some(half.len()),
        _ => Some(body.len()),
    };
    connection.send(&head(200, &kind, length)).await?;
    match fault {
        Fault::BrokenChunk => connection.send(&[&chunk(half), b"zz\r\n".as_slice()].concat()).await?,
        Fault::NoLastChunk => connection.send(&chunk(half)).await?,
        Fault::ShortLength => connection.send(&body).await?,
        _ => connection.send(half).await?,
    }
    match fault {
        Fault::Stall => connection.closed().await,
        Fault::ResetInBody => connection.reset()?,
        _ => {}
    }
    Ok(Outcome::default())
}

async fn drip(connection: &mut Connection, bytes: &[u8], pause: Option<Duration>) -> io::Result<()> {
    for byte in bytes {
        connection.send(std::slice::from_ref(byte)).await?;
        match pause {
            Some(pause) => sleep(pause).await,
            None => tokio::task::yield_now().await,
        }
    }
    Ok(())
}

/// An error status. Its text repeats the key, as some servers do.
async fn refuse(
    mut connection: Connection,
    site: &Site<'_>,
    status: u16,
    code: &str,
    wait: Wait,
) -> io::Result<Outcome> {
    let key = site.request.header("authorization").unwrap_or_default();
    let message = format!("refused `{code}` for the key `{key}` ({})", key.trim_start_matches("Bearer "));
    let body = json!({"error": {"message": message, "type": code, "code": code}}).to_string();
    let until = |wait| Some(SystemTime::now() + wait);
    let (header, until) = match wait {
        Wait::Unsaid => (None, None),
        Wait::Seconds(seconds) => (Some(format!("retry-after: {seconds}")), until(Duration::from_secs(seconds))),
        Wait::Milliseconds(pause) => (Some(format!("retry-after-ms: {pause}")), until(Duration::from_millis(pause))),
        Wait::Text(text) => (Some(format!("retry-after: {text}")), None),
        Wait::Date(seconds) => {
            // A date has whole seconds: what it says is the beginning of one.
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let then = SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs() + seconds);
            (Some(format!("retry-after: {}", httpdate::fmt_http_date(then))), Some(then))
        }
    };
    connection.respond(status, header.as_slice(), body.as_bytes()).await?;
    let left = until.map(|until| until.duration_since(SystemTime::now()).unwrap_or_default());
    Ok(Outcome { connection: Some(connection), is_whole: false, not_before: left.map(|left| Instant::now() + left) })
}

async fn huge(connection: &mut Connection, is_announced: bool) -> io::Result<()> {
    const MEGABYTE: usize = 1 << 20;
    const MEGABYTES: usize = 100;
    let opening =
        br#"{"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ""#;
    let length = is_announced.then_some(opening.len() + MEGABYTES * MEGABYTE);
    connection.send(&head(200, &[], length)).await?;
    let framed = |bytes: &[u8]| if is_announced { bytes.to_vec() } else { chunk(bytes) };
    connection.send(&framed(opening)).await?;
    let filling = framed(&vec![b'a'; MEGABYTE]);
    for _ in 0..MEGABYTES {
        connection.send(&filling).await?;
    }
    Ok(())
}

//! A small HTTP server on a loopback address: a thread per connection, replies as a test scripts them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// How many requests came before.
    pub(super) number: usize,
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Value,
    pub(super) at: Instant,
}

impl Asked {
    /// The last thing said in the chat.
    pub(super) fn said(&self) -> &str {
        self.body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap()
    }
}

/// What a test lets the server do.
pub(super) enum Answer {
    /// A status with headers (a line each) and a body.
    Status(u16, &'static str, String),
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// Nothing, and the end of the connection.
    Close,
}

/// A whole reply with this text.
pub(super) fn text(content: &str) -> Answer {
    let body = json!({
        "id": "r", "model": "teacher-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5}
    });
    Answer::Status(200, "", body.to_string())
}

/// A server; what it was asked can be read while it runs.
pub(super) struct Server {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Serves until the process ends.
    pub(super) fn new(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log, count) = (Arc::new(answer), Arc::clone(&asked), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, log, count) = (Arc::clone(&answer), Arc::clone(&log), Arc::clone(&count));
                std::thread::spawn(move || {
                    // A client that goes away ends its connection's thread.
                    let _ = serve(stream.unwrap(), &*answer, &log, &count);
                });
            }
        });
        Self { url, asked }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    stream: TcpStream,
    answer: &dyn Fn(&Asked) -> Answer,
    log: &Mutex<Vec<Asked>>,
    count: &AtomicUsize,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(asked) = read(&mut reader, count)? {
        log.lock().unwrap().push(asked.clone());
        match answer(&asked) {
            Answer::Status(status, headers, body) => {
                let length = body.len();
                write!(writer, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}")?;
            }
            Answer::Raw(bytes) => return writer.write_all(&bytes),
            Answer::Close => return Ok(()),
        }
    }
    Ok(())
}

fn read(reader: &mut impl BufRead, count: &AtomicUsize) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let number = count.fetch_add(1, Ordering::SeqCst);
    Ok(Some(Asked { number, path, headers, body, at: Instant::now() }))
}

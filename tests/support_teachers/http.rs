//! As much of HTTP/1.1 as a server needs that wants to be able to break it.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nobody asks anything longer.
const LONGEST_REQUEST: usize = 1 << 20;

/// A request as it came.
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The path, such as `/v1/chat/completions`.
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The value of a header, whose name is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    values.next()
}

/// A connection with what was read from it too early.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        // A drip is to arrive as a drip.
        let _ = stream.set_nodelay(true);
        Self { stream, buffer: Vec::with_capacity(8192) }
    }

    /// The next request; `None` where the client has closed the connection.
    pub(crate) async fn request(&mut self) -> io::Result<Option<Request>> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if !self.fill().await? {
                return Ok(None);
            }
            if !self.buffer[0].is_ascii_uppercase() {
                // No method begins like this; a TLS handshake does.
                self.respond(400, &[], b"").await?;
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.buffer.len() < end + length {
            if !self.fill().await? {
                return Ok(None);
            }
        }
        let body = self.buffer[end..end + length].to_vec();
        self.buffer.drain(..end + length);
        Ok(Some(Request { head, body }))
    }

    async fn fill(&mut self) -> io::Result<bool> {
        if self.buffer.len() > LONGEST_REQUEST {
            return Err(io::Error::other("expected a request of bearable length"));
        }
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends a whole response.
    pub(crate) async fn respond(&mut self, status: u16, headers: &[String], body: &[u8]) -> io::Result<()> {
        let mut bytes = head(status, headers, Some(body.len()));
        bytes.extend_from_slice(body);
        self.send(&bytes).await
    }

    /// Waits until the client has closed the connection.
    pub(crate) async fn closed(&mut self) {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
    }

    /// Closes the connection with a reset.
    pub(crate) fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }
}

/// Status line and headers; chunked where no length is given.
pub(crate) fn head(status: u16, headers: &[String], length: Option<usize>) -> Vec<u8> {
    let length = match length {
        Some(length) => format!("content-length: {length}"),
        None => "transfer-encoding: chunked".to_owned(),
    };
    let mut lines = vec![format!("HTTP/1.1 {status} Status"), length];
    if !headers.iter().any(|header| header.starts_with("content-type:")) {
        lines.push("content-type: application/json".to_owned());
    }
    lines.extend_from_slice(headers);
    (lines.join("\r\n") + "\r\n\r\n").into_bytes()
}

/// One chunk of a chunked body.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// What ends a chunked body.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

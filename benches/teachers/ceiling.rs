//! The ceiling: a client that sends one request again and again, and throws the replies away.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BODY: &str = r#"{"model":"sums-1","messages":[{"role":"user","content":"Q: Question 3: what is 20 plus 30?\nA:"}],"temperature":0.0,"max_tokens":64,"seed":7}"#;

/// Asks `completions` times, `in_flight` at a time.
pub(crate) fn ask(port: u16, in_flight: usize, completions: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let left = Arc::new(AtomicUsize::new(completions));
        let tasks: Vec<_> = (0..in_flight).map(|_| tokio::spawn(converse(port, Arc::clone(&left)))).collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
}

async fn converse(port: u16, left: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut reply = Vec::with_capacity(8192);
    let one_less = |left: usize| left.checked_sub(1);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
        stream.write_all(request.as_bytes()).await?;
        reply.clear();
        while !is_whole(&reply) {
            stream.read_buf(&mut reply).await?;
        }
    }
    Ok(())
}

fn is_whole(reply: &[u8]) -> bool {
    let Some(end) = reply.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&reply[..end]);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    length.is_some_and(|length| reply.len() >= end + 4 + length)
}

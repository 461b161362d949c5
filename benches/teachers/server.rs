//! The server: every reply takes as long, and nothing goes wrong.

use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{interval, sleep_until};

use crate::answers::Asked;
use crate::http::Connection;
use crate::reply::Reply;

/// Between two reports of the count.
const REPORT: Duration = Duration::from_millis(50);

/// Serves for ever. Prints its port, and then again and again how many replies it has sent and how many microseconds after
/// the first request it sent the last one.
pub(crate) fn serve(latency: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        say(&listener.local_addr().unwrap().port().to_string());
        let replies = Arc::new(Replies::default());
        tokio::spawn(report(Arc::clone(&replies)));
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let replies = Arc::clone(&replies);
            tokio::spawn(async move {
                let _ = converse(stream, latency, &replies).await;
            });
        }
    });
}

#[derive(Default)]
struct Replies {
    start: std::sync::OnceLock<Instant>,
    count: AtomicUsize,
    last_us: AtomicUsize,
}

async fn report(replies: Arc<Replies>) {
    let mut interval = interval(REPORT);
    loop {
        interval.tick().await;
        let count = replies.count.load(Ordering::Relaxed);
        say(&format!("{count} {}", replies.last_us.load(Ordering::Relaxed)));
    }
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).unwrap();
}

async fn converse(stream: TcpStream, latency: Duration, replies: &Replies) -> std::io::Result<()> {
    let mut connection = Connection::new(stream);
    while let Some(request) = connection.request().await? {
        let due = tokio::time::Instant::now() + latency;
        let start = replies.start.get_or_init(Instant::now);
        let asked = Asked::parse(request.path(), &request.body).unwrap();
        let reply = Reply::new(&asked, &asked.answer()).json();
        sleep_until(due).await;
        connection.respond(200, &[], reply.as_bytes()).await?;
        replies.last_us.store(start.elapsed().as_micros() as usize, Ordering::Relaxed);
        replies.count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

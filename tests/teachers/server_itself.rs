//! That the server does what the catalogue says: a fault that does not happen proves nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bomb;
use crate::fault::{Cause, Fault, Outage, When};
use crate::server::{Conduct, Server};

/// A request as it is sent.
fn request(is_streamed: bool) -> String {
    let body = format!(
        r#"{{"messages": [{{"role": "user", "content": "Q: what is 20 plus 30?"}}], "seed": 7, "stream": {is_streamed}}}"#
    );
    format!("POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Everything that comes back within a while, and how it ends.
fn reply(server: &Server, is_streamed: bool) -> (Vec<u8>, std::io::Result<()>) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
    stream.write_all(request(is_streamed).as_bytes()).unwrap();
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return (bytes, Ok(())),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) => return (bytes, Err(error)),
        }
    }
}

fn faulty(fault: Fault) -> Server {
    let faults: &'static [Fault] = Box::leak(Box::new([fault]));
    let cause = Some(Cause::Replies { when: When::After(0), faults });
    Server::start(Conduct { cause, ..Conduct::good() }, "http://localhost:1")
}

#[test]
fn replies_are_a_function_of_the_request() {
    let server = Server::start(Conduct::good(), "");
    for is_streamed in [false, true] {
        let (first, second) = (reply(&server, is_streamed).0, reply(&server, is_streamed).0);
        assert_eq!(first, second);
        let text = String::from_utf8(first).unwrap();
        assert!(text.contains("So we get 50.") || text.contains("So we get 51.") || is_streamed, "{text}");
        assert_eq!(text.ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"), is_streamed, "{text}");
    }
}

#[test]
fn each_fault_is_what_its_name_says() {
    use std::io::ErrorKind::{ConnectionReset, WouldBlock};
    for (fault, starts, ends) in [
        (Fault::Reset, "", Some(ConnectionReset)),
        (Fault::NoHeader, "", Some(WouldBlock)),
        (Fault::Stall, "HTTP/1.1 200", Some(WouldBlock)),
        (Fault::ResetInBody, "HTTP/1.1 200", Some(ConnectionReset)),
        (Fault::LongLength, "HTTP/1.1 200", None),
        (Fault::NoLastChunk, "HTTP/1.1 200", None),
        (Fault::Redirect(307), "HTTP/1.1 307 Status\r\ncontent-length: 0\r\n", Some(WouldBlock)),
        (Fault::Late, "", Some(WouldBlock)),
    ] {
        let (bytes, end) = reply(&faulty(fault), false);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with(starts) && text.is_empty() == starts.is_empty(), "{fault:?}: {text}");
        assert_eq!(end.err().map(|error| error.kind()), ends, "{fault:?}");
    }
}

#[test]
fn an_outage_is_one() {
    for outage in [Outage::Refused, Outage::BlackHole] {
        let server = Server::start(Conduct { cause: Some(Cause::Outage(outage)), ..Conduct::good() }, "");
        while reply_status(&server).is_some() {}
        // The backlog of a black hole has to be filled first.
        std::thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        let address = ([127, 0, 0, 1], server.port()).into();
        let error = TcpStream::connect_timeout(&address, Duration::from_millis(100)).unwrap_err();
        let is_refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
        assert_eq!(is_refused, outage == Outage::Refused, "{error}");
        assert!(is_refused || start.elapsed() >= Duration::from_millis(100));
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(reply_status(&server).as_deref(), Some("HTTP/1.1 200"));
    }
}

/// The first words of the reply, if there is one.
fn reply_status(server: &Server) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(100))).ok()?;
    stream.write_all(request(false).as_bytes()).ok()?;
    let mut words = [0; 12];
    stream.read_exact(&mut words).ok()?;
    String::from_utf8(words.to_vec()).ok()
}

#[test]
fn the_bomb_is_small_and_unpacks_to_a_hundred_megabytes() {
    let packed = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(packed.path(), bomb::gzip()).unwrap();
    assert!(bomb::gzip().len() < 1 << 20);
    let mut command = Command::new("gzip");
    let Ok(mut unpacking) =
        command.arg("-dc").stdin(packed.reopen().unwrap()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    else {
        println!("passed over: no gzip");
        return;
    };
    let unpacked = std::io::copy(&mut unpacking.stdout.take().unwrap(), &mut std::io::sink()).unwrap();
    // Its checksum is wrong.
    assert!(!unpacking.wait().unwrap().success());
    assert!(unpacked > 99 << 20, "{unpacked}");
}

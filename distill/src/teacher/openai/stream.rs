//! Server-sent events, in whatever pieces they arrive.

use super::dialect::Reply;
use super::fault::Fault;
use super::key::ApiKey;

/// What ends a stream where the server says so.
const END: &str = "[DONE]";

/// Collects the events of one streamed reply.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    /// Bytes of a line that has not ended; a character may be cut anywhere.
    line: Vec<u8>,
    /// Whether the last byte was a carriage return, so that a line feed belongs to it.
    after_return: bool,
    /// `data` of the event under way.
    data: String,
    has_data: bool,
    reply: Reply,
    has_ended: bool,
    /// Taken out of what the server says.
    key: Option<ApiKey>,
}

impl EventStream {
    pub(super) fn new(key: Option<ApiKey>) -> Self {
        Self { key, ..Self::default() }
    }

    /// Takes the next bytes, cut anywhere.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        for &byte in bytes {
            let follows_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => self.end_line()?,
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), Fault> {
        let line = std::mem::take(&mut self.line);
        let line = std::str::from_utf8(&line).map_err(|_| Fault::malformed("malformed", "the stream is no UTF-8"))?;
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        // Servers may open with a byte order mark.
        if field.trim_start_matches('\u{feff}') == "data" {
            if self.has_data {
                self.data.push('\n');
            }
            self.data.push_str(value.strip_prefix(' ').unwrap_or(value));
            self.has_data = true;
        }
        Ok(())
    }

    fn end_event(&mut self) -> Result<(), Fault> {
        if !std::mem::take(&mut self.has_data) {
            return Ok(());
        }
        let data = std::mem::take(&mut self.data);
        if data.trim() == END {
            self.has_ended = true;
            return Ok(());
        }
        if self.has_ended {
            return Err(Fault::malformed("malformed", "an event after the end of the stream"));
        }
        match &self.key {
            Some(key) => self.reply.absorb(&key.redact(&data)),
            None => self.reply.absorb(&data),
        }
    }

    /// Whether the server said that the stream has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The reply, once no more bytes come. `must_end`: whether this server says `[DONE]` at the end of its streams.
    ///
    /// A stream that ends without a finish reason was cut, however cleanly its connection was closed.
    pub(super) fn finish(self, must_end: bool) -> Result<Reply, Fault> {
        if self.reply.finish.is_none() {
            return Err(Fault::cut("truncated", "the stream ended without a finish reason"));
        }
        if must_end && !self.has_ended {
            return Err(Fault::cut("truncated", format!("the stream ended without `{END}`")));
        }
        Ok(self.reply)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = concat!(
        ": a comment\r\n\r\n",
        "event: x\r\ndata: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n",
        "data:{\"choices\":[{\"delta\":{\"content\":\"Grüße \"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"日本😀\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"so\"},\"finish_reason\":null}]}\r\r",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n",
        "data: [DONE]\n\n",
    );

    fn read(bytes: &[u8], cuts: &[usize]) -> Result<Reply, Fault> {
        let mut stream = EventStream::default();
        let mut from = 0;
        for &cut in cuts.iter().chain([&bytes.len()]) {
            stream.push(&bytes[from..cut.max(from)])?;
            from = cut.max(from);
        }
        let must_end = stream.has_ended();
        stream.finish(must_end)
    }

    #[test]
    fn a_stream_is_the_sum_of_its_events() {
        let reply = read(STREAM.as_bytes(), &[]).unwrap();
        assert_eq!((reply.text.as_str(), reply.reasoning.as_str()), ("Grüße 日本😀", "so"));
        assert_eq!(reply.id.as_deref(), Some("c1"));
        assert_eq!(reply.usage.unwrap().completion_tokens, 4);
        let bytes: Vec<usize> = (0..STREAM.len()).collect();
        assert_eq!(read(STREAM.as_bytes(), &bytes).unwrap(), reply);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_reply(mut cuts in proptest::collection::vec(0..STREAM.len(), 0..12)) {
            cuts.sort_unstable();
            prop_assert_eq!(read(STREAM.as_bytes(), &cuts), read(STREAM.as_bytes(), &[]));
        }

        #[test]
        fn a_stream_that_stops_early_is_never_a_reply(end in 0..STREAM.find("\"stop\"").unwrap()) {
            prop_assert!(read(&STREAM.as_bytes()[..end], &[]).is_err());
        }
    }

    #[test]
    fn a_server_that_says_done_must_say_it() {
        let end = STREAM.find("data: [DONE]").unwrap();
        let stream = || {
            let mut stream = EventStream::default();
            stream.push(&STREAM.as_bytes()[..end]).unwrap();
            stream
        };
        assert!(stream().finish(false).is_ok());
        assert_eq!(stream().finish(true).unwrap_err().code, "truncated");
    }

    #[test]
    fn broken_events_are_faults() {
        for text in ["data: {\"choices\":\n\n", "data: \u{1}\n\n", "data: {\"error\":\"busy\"}\n\n"] {
            assert!(read(text.as_bytes(), &[]).is_err(), "{text}");
        }
        assert!(read(b"data: \xff\n\n", &[]).is_err());
    }
}

//! Lines of a text file, each whole or named as bad, in bounded memory.

use std::io::{self, BufRead};

/// Longest line that is read; no rationale comes near it.
pub const MOST_LINE_BYTES: usize = 16 << 20;

/// Reads lines that may be anything.
pub(super) struct Lines<R> {
    reader: R,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, number: 0, buffer: Vec::new() }
    }

    /// The next line that is not blank, with its number from 1, or what is wrong with it; `None` at the end.
    ///
    /// A byte order mark before the first line and a carriage return before a line's end are left out.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Result<&str, String>)>> {
        loop {
            let Some(length) = self.fill()? else { return Ok(None) };
            self.number += 1;
            if length > MOST_LINE_BYTES {
                return Ok(Some((self.number, Err(format!("a line of {length} bytes")))));
            }
            if self.number == 1 && self.buffer.starts_with(b"\xEF\xBB\xBF") {
                self.buffer.drain(..3);
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        let text = std::str::from_utf8(self.buffer.trim_ascii());
        let text = text.map_err(|error| format!("a byte that is not UTF-8 in column {}", error.valid_up_to() + 1));
        Ok(Some((self.number, text)))
    }

    /// Reads up to the next line end; the line's length, of which no more than the limit is kept.
    fn fill(&mut self) -> io::Result<Option<usize>> {
        self.buffer.clear();
        let mut length = 0;
        loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            if available.is_empty() {
                return Ok((length > 0).then_some(length));
            }
            let end = available.iter().position(|&byte| byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            let kept = part.len().min(MOST_LINE_BYTES.saturating_sub(self.buffer.len()));
            self.buffer.extend_from_slice(&part[..kept]);
            length += part.len();
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(length));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<(u64, Result<String, String>)> {
        // A buffer of three bytes cuts every line.
        let mut lines = Lines::new(io::BufReader::with_capacity(3, bytes));
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            found.push((number, line.map(str::to_owned)));
        }
        found
    }

    #[test]
    fn marks_carriage_returns_and_blank_lines_are_left_out_and_bad_bytes_named() {
        let found = read(b"\xEF\xBB\xBFone\r\n\n  \r\ntw\xFFo\nthree");
        let expected = [
            (1, Ok("one".to_owned())),
            (4, Err("a byte that is not UTF-8 in column 3".to_owned())),
            (5, Ok("three".to_owned())),
        ];
        assert_eq!(found, expected);
        assert!(read(b"").is_empty() && read(b"\n\r\n").is_empty());
    }

    #[test]
    fn a_line_beyond_the_limit_is_bad_and_the_next_one_good() {
        let mut bytes = vec![b'x'; MOST_LINE_BYTES + 1];
        bytes.extend(b"\ngood\n");
        let mut lines = Lines::new(io::BufReader::new(&bytes[..]));
        assert_eq!(lines.next().unwrap(), Some((1, Err(format!("a line of {} bytes", MOST_LINE_BYTES + 1)))));
        assert_eq!(lines.next().unwrap(), Some((2, Ok("good"))));
        assert!(lines.buffer.capacity() <= 2 * MOST_LINE_BYTES);
    }
}

//! Lines of bytes, in chunks, read on a thread of their own: reading may wait for ever.

use std::{
    io::{self, BufRead, BufReader, Read},
    thread,
};

use tokio::sync::mpsc;

use crate::escape::Delimiter;

/// Chunks that may wait.
const QUEUE: usize = 4;
/// How much is read at a time; a chunk is about as large.
const BUFFER: usize = 64 << 10;
/// No broker takes a record as large as this.
const LONGEST: usize = 100 << 20;

/// Some lines, without their newlines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The number of the first line; they count from 1.
    first: u64,
}

impl Chunk {
    /// The lines with their numbers.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let lines = starts
            .zip(&self.ends)
            .map(|(start, end)| &self.bytes[start..*end]);
        (self.first..).zip(lines)
    }
}

/// Reads lines on a thread until there are no more or nobody wants them.
pub(crate) fn read(
    input: impl Read + Send + 'static,
    delimiter: Delimiter,
) -> mpsc::Receiver<io::Result<Chunk>> {
    let (chunks, receiver) = mpsc::channel(QUEUE);
    thread::spawn(move || {
        let mut reader = Reader::new(input, delimiter, LONGEST);
        loop {
            let chunk = match reader.chunk() {
                Ok(chunk) if chunk.ends.is_empty() => return,
                chunk => chunk,
            };
            let failed = chunk.is_err();
            if chunks.blocking_send(chunk).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

struct Reader<R> {
    input: BufReader<R>,
    delimiter: Delimiter,
    longest: usize,
    next: u64,
}

impl<R: Read> Reader<R> {
    fn new(input: R, delimiter: Delimiter, longest: usize) -> Self {
        let input = BufReader::with_capacity(BUFFER, input);
        Self {
            input,
            delimiter,
            longest,
            next: 1,
        }
    }

    /// What there is without waiting, at least a line; no line at the end.
    fn chunk(&mut self) -> io::Result<Chunk> {
        let mut chunk = Chunk {
            first: self.next,
            ..Chunk::default()
        };
        while self.line(&mut chunk)? {
            let another_is_here = self.delimiter.split(self.input.buffer()).is_some();
            if !another_is_here || chunk.bytes.len() >= BUFFER {
                break;
            }
        }
        Ok(chunk)
    }

    /// Reads one line; false at the end.
    fn line(&mut self, chunk: &mut Chunk) -> io::Result<bool> {
        let start = chunk.bytes.len();
        let delimiter = self.delimiter.bytes();
        let last = delimiter.last().copied().expect("a delimiter is not empty");
        loop {
            let have = chunk.bytes.len() - start;
            let room = (self.longest + delimiter.len()).saturating_sub(have) as u64;
            let read = (&mut self.input)
                .take(room)
                .read_until(last, &mut chunk.bytes)?;
            let line = &chunk.bytes[start..];
            if line.ends_with(delimiter) {
                chunk.bytes.truncate(chunk.bytes.len() - delimiter.len());
                break;
            }
            if line.len() > self.longest {
                let what = format!("line {} is longer than {} bytes", self.next, self.longest);
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            match (read, line.is_empty()) {
                (0, true) => return Ok(false),
                (0, false) => break,
                _ => {}
            }
        }
        chunk.ends.push(chunk.bytes.len());
        self.next += 1;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut chunks = read(io::Cursor::new(input.to_vec()), Delimiter::newline());
        let mut lines = Vec::new();
        while let Some(chunk) = chunks.blocking_recv() {
            let chunk = chunk.expect("a vector can be read");
            lines.extend(chunk.lines().map(|(number, line)| (number, line.to_vec())));
        }
        lines
    }

    #[test]
    fn lines_are_bytes_and_count_from_one() {
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\n"), [(1, b"".to_vec())]);
        let expected = [
            (1, b"a".to_vec()),
            (2, b"".to_vec()),
            (3, b"\xff\r".to_vec()),
        ];
        assert_eq!(lines(b"a\n\n\xff\r\n"), expected);
        assert_eq!(lines(b"a\n\n\xff\r"), expected);
    }

    #[test]
    fn many_lines_come_in_several_chunks_with_the_right_numbers() {
        let input: String = (1..=40_000).map(|n| format!("{n}\n")).collect();
        let lines = lines(input.as_bytes());
        assert_eq!(lines.len(), 40_000);
        assert!(
            lines
                .iter()
                .all(|(n, line)| n.to_string().as_bytes() == line)
        );
    }

    #[test]
    fn a_typed_line_does_not_wait_for_the_next() {
        let (input, mut typing) = io::pipe().expect("there are pipes");
        let mut chunks = read(input, Delimiter::newline());
        io::Write::write_all(&mut typing, b"first\nsec").expect("it is read");
        let chunk = chunks
            .blocking_recv()
            .expect("the pipe is open")
            .expect("it can be read");
        assert_eq!(chunk.lines().collect::<Vec<_>>(), [(1, &b"first"[..])]);
    }

    #[test]
    fn a_line_has_a_longest_length() {
        let chunk = |input: &'static [u8]| Reader::new(input, Delimiter::newline(), 4).chunk();
        assert!(chunk(b"1234\n").is_ok());
        assert!(chunk(b"1234").is_ok());
        let error = chunk(b"12345\n").expect_err("it is too long").to_string();
        assert!(error.contains("line 1"), "{error}");
    }

    #[test]
    fn a_record_ends_where_its_delimiter_does() {
        let read = |input: &[u8], delimiter: &str| {
            let delimiter = crate::escape::delimiter(delimiter).expect("it is well-formed");
            let mut chunks = read(io::Cursor::new(input.to_vec()), delimiter);
            let mut lines = Vec::new();
            while let Some(chunk) = chunks.blocking_recv() {
                let chunk = chunk.expect("a vector can be read");
                lines.extend(chunk.lines().map(|(_, line)| line.to_vec()));
            }
            lines
        };
        assert_eq!(read(b"a\0b\n\0", r"\0"), [b"a".to_vec(), b"b\n".to_vec()]);
        assert_eq!(
            read(b"a-|b|-|c", "-|"),
            [b"a".to_vec(), b"b|".to_vec(), b"c".to_vec()]
        );
        assert_eq!(read(b"||", "|"), [b"".to_vec(), b"".to_vec()]);
        assert_eq!(read(b"", "-|"), [] as [Vec<u8>; 0]);
    }
}

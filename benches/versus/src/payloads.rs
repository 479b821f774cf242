//! The values that are sent: lines of words, so that they compress about as text does.

use std::fmt::Write as _;

use crate::Outcome;

/// How many different values there are. Every peer holds all of them in memory.
const LINES: usize = 4096;
const WORDS: u64 = 512;

/// Values of one size, as in the file that all peers share.
#[derive(Debug)]
pub struct Payloads {
    text: Vec<u8>,
    /// Of a line, with what ends it.
    stride: usize,
}

impl Payloads {
    pub fn read(path: &str) -> Outcome<Self> {
        Self::of(std::fs::read(path)?)
    }

    /// The values that such a file has.
    pub fn new(size: usize) -> Outcome<Self> {
        Self::of(Self::text(size).into())
    }

    fn of(text: Vec<u8>) -> Outcome<Self> {
        let end = text.iter().position(|byte| *byte == b'\n');
        let stride = end.ok_or("the payloads have no line")? + 1;
        Ok(Self { text, stride })
    }

    /// Bytes of each value.
    pub fn size(&self) -> usize {
        self.stride - 1
    }

    /// How many different values there are.
    pub fn count(&self) -> usize {
        self.text.len() / self.stride
    }

    /// The values, again and again.
    pub fn cycle(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.text.chunks_exact(self.stride);
        lines.map(|line| &line[..self.size()]).cycle()
    }

    /// The text of such a file.
    pub fn text(size: usize) -> String {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let vocabulary: Vec<String> = (0..WORDS).map(|_| word(&mut random)).collect();
        let mut text = String::with_capacity(LINES * (size + 1));
        for _ in 0..LINES {
            let end = text.len() + size;
            while text.len() < end {
                let word = &vocabulary[random.below(WORDS) as usize];
                write!(text, "{word} ").expect("a string takes all");
            }
            text.truncate(end);
            text.push('\n');
        }
        text
    }
}

fn word(random: &mut Random) -> String {
    let letters = 3 + random.below(8);
    (0..letters)
        .map(|_| char::from(b'a' + random.below(26) as u8))
        .collect()
}

/// Xorshift: the same values in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_the_size_that_was_asked_for() {
        let text = Payloads::text(100);
        assert_eq!(text.lines().count(), LINES);
        assert!(text.lines().all(|line| line.len() == 100));
    }
}

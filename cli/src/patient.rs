//! Standard input or output that was made non-blocking by a process that shares it.

use std::{
    io::{self, Read, Write},
    thread,
    time::Duration,
};

/// How long to wait before the next try. Nothing says when a file of another process is ready.
const PAUSE: Duration = Duration::from_millis(2);

/// Waits and goes on where a read or write would block, as one on a blocking file does by itself.
#[derive(Debug)]
pub(crate) struct Patient<T>(pub(crate) T);

impl<T> Patient<T> {
    fn retry<R>(&mut self, mut act: impl FnMut(&mut T) -> io::Result<R>) -> io::Result<R> {
        loop {
            match act(&mut self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
                done => return done,
            }
        }
    }
}

impl<T: Read> Read for Patient<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.retry(|input| input.read(into))
    }
}

impl<T: Write> Write for Patient<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry(|output| output.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.retry(Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks every other time.
    struct Fitful<T>(T, bool);

    impl<T> Fitful<T> {
        fn turn(&mut self) -> io::Result<&mut T> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(&mut self.0)
        }
    }

    impl<T: Read> Read for Fitful<T> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.turn()?.read(into)
        }
    }

    impl<T: Write> Write for Fitful<T> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.turn()?.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.turn()?.flush()
        }
    }

    #[test]
    fn what_would_block_is_tried_again() {
        let mut read = String::new();
        let mut input = Patient(Fitful(&b"all of it"[..], false));
        input.read_to_string(&mut read).expect("it goes on");
        assert_eq!(read, "all of it");
        let mut output = Patient(Fitful(Vec::new(), false));
        output.write_all(b"all of it").expect("it goes on");
        output.flush().expect("it goes on");
        assert_eq!(output.0.0, b"all of it");
    }
}

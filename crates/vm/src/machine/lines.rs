//! Reading a file that another process is still writing.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much is read at a time.
const PIECE: usize = 64 * 1024;

/// The whole lines of a growing file.
#[derive(Debug)]
pub(super) struct Lines {
    file: File,
    read: u64,
    /// What was read and not handed out; from `start` on.
    held: Vec<u8>,
    start: usize,
}

impl Lines {
    pub(super) const fn of(file: File) -> Self {
        Self { file, read: 0, held: Vec::new(), start: 0 }
    }

    /// The next line without its end, or `None` if no whole line has come yet. A last line without an end is
    /// what a crash cut off: never handed out.
    pub(super) fn next(&mut self) -> io::Result<Option<String>> {
        let mut searched = self.start;
        loop {
            if let Some(length) = self.held[searched..].iter().position(|byte| *byte == b'\n') {
                let end = searched + length;
                let line = String::from_utf8_lossy(&self.held[self.start..end]);
                let line = line.trim_end_matches('\r').to_owned();
                self.start = end + 1;
                return Ok(Some(line));
            }
            searched = self.held.len() - self.start;
            self.held.drain(..self.start);
            self.start = 0;
            let before = self.held.len();
            self.held.resize(before + PIECE, 0);
            let count = self.file.read_at(&mut self.held[before..], self.read);
            self.held.truncate(before + count.as_ref().copied().unwrap_or(0));
            match count? {
                0 => return Ok(None),
                count => self.read += count as u64,
            }
        }
    }
}

/// The whole text of a file; what cannot be read is left out.
pub(super) fn text_of(file: &File) -> String {
    let mut bytes = Vec::new();
    let mut piece = vec![0; PIECE];
    while let Ok(count @ 1..) = file.read_at(&mut piece, bytes.len() as u64) {
        bytes.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_line_is_handed_out_when_its_end_is_there() {
        let mut writer = tempfile::tempfile().unwrap();
        let mut lines = Lines::of(writer.try_clone().unwrap());
        assert_eq!(lines.next().unwrap(), None);
        writer.write_all(b"one\ntw").unwrap();
        assert_eq!(lines.next().unwrap().as_deref(), Some("one"));
        assert_eq!(lines.next().unwrap(), None, "half a line");
        writer.write_all(b"o\r\n\nthree\n").unwrap();
        let rest: Vec<_> = std::iter::from_fn(|| lines.next().unwrap()).collect();
        assert_eq!(rest, ["two", "", "three"]);
    }

    #[test]
    fn lines_longer_than_a_piece_and_many_lines_in_one_are_whole() {
        let mut writer = tempfile::tempfile().unwrap();
        let mut expected = Vec::new();
        for length in [3 * PIECE, 1, PIECE, 0, 10, PIECE - 1] {
            expected.push("x".repeat(length));
        }
        for line in &expected {
            writeln!(writer, "{line}").unwrap();
        }
        let mut lines = Lines::of(writer);
        let read: Vec<_> = std::iter::from_fn(|| lines.next().unwrap()).collect();
        assert_eq!(read, expected);
    }
}

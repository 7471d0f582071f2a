//! What the application wants to send and the socket had no room for.

use std::collections::VecDeque;

/// Own traffic is made of this byte: its content does not matter, so it need not be kept.
static FILLER: [u8; 65_536] = [b'.'; 65_536];

/// A queue of output in the application's memory.
#[derive(Debug, Default)]
pub(crate) struct Output {
    chunks: VecDeque<Chunk>,
    copied: u64,
}

#[derive(Debug)]
enum Chunk {
    Bytes { bytes: Vec<u8>, sent: usize },
    Filler { remaining: u64 },
}

impl Output {
    /// As much filler as one write takes.
    pub(crate) fn filler() -> &'static [u8] {
        &FILLER
    }

    /// Queues these bytes.
    pub(crate) fn push_bytes(&mut self, new: &[u8]) {
        if new.is_empty() {
            return;
        }
        self.copied += new.len() as u64;
        match self.chunks.back_mut() {
            Some(Chunk::Bytes { bytes, .. }) if bytes.len() < FILLER.len() => bytes.extend_from_slice(new),
            _ => self.chunks.push_back(Chunk::Bytes { bytes: new.to_vec(), sent: 0 }),
        }
    }

    /// Queues so many bytes of no matter what content; costs no memory.
    pub(crate) fn push_filler(&mut self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        match self.chunks.back_mut() {
            Some(Chunk::Filler { remaining }) => *remaining += bytes,
            _ => self.chunks.push_back(Chunk::Filler { remaining: bytes }),
        }
    }

    /// What to write next, at most 64 KiB or so; empty when nothing waits.
    pub(crate) fn front(&self) -> &[u8] {
        match self.chunks.front() {
            None => &[],
            Some(Chunk::Bytes { bytes, sent }) => &bytes[*sent..],
            Some(Chunk::Filler { remaining }) => {
                let length = usize::try_from(*remaining).map_or(FILLER.len(), |left| left.min(FILLER.len()));
                &FILLER[..length]
            }
        }
    }

    /// Forgets `count` bytes of [`Output::front`], which were written.
    pub(crate) fn consume(&mut self, count: usize) {
        let used_up = match self.chunks.front_mut() {
            None => false,
            Some(Chunk::Bytes { bytes, sent }) => {
                *sent += count;
                self.copied = self.copied.saturating_sub(count as u64);
                *sent >= bytes.len()
            }
            Some(Chunk::Filler { remaining }) => {
                *remaining = remaining.saturating_sub(count as u64);
                *remaining == 0
            }
        };
        if used_up {
            self.chunks.pop_front();
        }
    }

    /// Bytes that wait and that had to be copied: all but filler.
    pub(crate) const fn copied(&self) -> u64 {
        self.copied
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_filler_leave_in_the_order_they_came() {
        let mut output = Output::default();
        output.push_bytes(b"he");
        output.push_bytes(b"llo");
        output.push_filler(3);
        output.push_bytes(b"!");
        assert_eq!(output.copied(), 6);
        let mut sent = Vec::new();
        while !output.is_empty() {
            let length = output.front().len().min(2);
            sent.extend_from_slice(&output.front()[..length]);
            output.consume(length);
        }
        assert_eq!(sent, b"hello...!");
        assert!(output.front().is_empty());
        assert_eq!(output.copied(), 0);
    }

    #[test]
    fn any_amount_of_own_traffic_waits_without_memory() {
        let mut output = Output::default();
        for _ in 0..1000 {
            output.push_filler(u64::from(u32::MAX));
        }
        assert!(!output.is_empty());
        assert_eq!(output.copied(), 0);
        assert_eq!(output.chunks.len(), 1);
        assert_eq!(output.front().len(), 65_536);
    }
}

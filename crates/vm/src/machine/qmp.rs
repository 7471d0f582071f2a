//! A few words with QEMU, by its own protocol (QEMU: `docs/interop/qmp-spec.rst`).

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout};

use serde_json::{Value, json};

/// QEMU at the other end of its standard input and output.
#[derive(Debug)]
pub(super) struct Qmp {
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Qmp {
    /// Takes the pipes of a QEMU that was started with `-qmp stdio`, and greets it.
    pub(super) fn with(child: &mut Child) -> io::Result<Self> {
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        };
        let mut qmp = Self { to, from: BufReader::new(from) };
        qmp.line()?;
        qmp.ask("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Gives a command and returns its answer; events that come meanwhile are dropped.
    pub(super) fn ask(&mut self, command: &str, arguments: &Value) -> io::Result<Value> {
        writeln!(self.to, "{}", json!({ "execute": command, "arguments": arguments }))?;
        self.to.flush()?;
        loop {
            let mut answer = self.line()?;
            if let Some(answer) = answer.get_mut("return") {
                return Ok(answer.take());
            }
            if let Some(error) = answer.get("error") {
                let said = error["desc"].as_str().unwrap_or("an error without a description");
                return Err(io::Error::other(format!("{command}: {said}")));
            }
        }
    }

    /// Waits for an event of this name.
    pub(super) fn wait_for(&mut self, event: &str) -> io::Result<()> {
        while self.line()?["event"] != event {}
        Ok(())
    }

    fn line(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        match self.from.read_line(&mut line)? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            _ => Ok(serde_json::from_str(&line)?),
        }
    }
}

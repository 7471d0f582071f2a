//! An executable and the shared libraries it is linked with, as they go into the guest.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

/// An executable file and all it needs to be started elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The executable, without what is not loaded (symbols, debug information).
    pub executable: Vec<u8>,
    /// The dynamic loader and the libraries, each under the path by which the loader will look for it; empty for a
    /// statically linked program.
    pub libraries: Vec<PathBuf>,
}

/// Why a program cannot be taken into a guest.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It cannot be read.
    #[error("could not read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no program for this kind of machine.
    #[error("{} is not an x86-64 ELF executable", .0.display())]
    NotElf(PathBuf),
    /// Its loader could not be asked for its libraries.
    #[error("could not list the libraries of {}: {source}", path.display())]
    Loader {
        /// The program.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A library it is linked with is not on this machine.
    #[error("{} needs the library {library}, which is not found", path.display())]
    LibraryMissing {
        /// The program.
        path: PathBuf,
        /// The library's name.
        library: String,
    },
}

impl Program {
    /// Reads a program and asks its dynamic loader for its libraries.
    pub fn read(path: &Path) -> Result<Self, ProgramError> {
        let mut executable =
            fs::read(path).map_err(|source| ProgramError::Read { path: path.into(), source })?;
        let segments = Segments::of(&executable).ok_or_else(|| ProgramError::NotElf(path.into()))?;
        let libraries = if segments.is_dynamic { libraries(path)? } else { Vec::new() };
        executable.truncate(segments.end);
        Ok(Self { executable, libraries })
    }
}

/// What of an executable is loaded.
struct Segments {
    end: usize,
    is_dynamic: bool,
}

const PT_LOAD: u64 = 1;
const PT_INTERP: u64 = 3;

impl Segments {
    /// Reads the program headers of a 64-bit little-endian ELF file (`elf(5)`: `Elf64_Ehdr`, `Elf64_Phdr`).
    fn of(file: &[u8]) -> Option<Self> {
        /// ELF, 64 bits, little-endian.
        const START: &[u8] = b"\x7fELF\x02\x01";
        const X86_64: u64 = 62;
        if !file.starts_with(START) || number(file, 0x12..0x14)? != X86_64 {
            return None;
        }
        let (table, size, count) =
            (number(file, 0x20..0x28)?, number(file, 0x36..0x38)?, number(file, 0x38..0x3a)?);
        let mut segments = Self { end: 0, is_dynamic: false };
        for index in 0..count {
            let header = file.get(usize::try_from(table + index * size).ok()?..)?;
            match number(header, 0..4)? {
                PT_LOAD => {
                    let end = number(header, 8..16)? + number(header, 0x20..0x28)?;
                    segments.end = segments.end.max(usize::try_from(end).ok()?);
                }
                PT_INTERP => segments.is_dynamic = true,
                _ => {}
            }
        }
        (segments.end > 0 && segments.end <= file.len()).then_some(segments)
    }
}

fn number(bytes: &[u8], range: Range<usize>) -> Option<u64> {
    let bytes = bytes.get(range)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Asks the dynamic loader, as `ldd(1)` does: with this variable set it lists what it would load, and the
/// program itself does not start (`ld.so(8)`).
fn libraries(path: &Path) -> Result<Vec<PathBuf>, ProgramError> {
    let output = Command::new(path)
        .env("LD_TRACE_LOADED_OBJECTS", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| ProgramError::Loader { path: path.into(), source })?;
    parse(&String::from_utf8_lossy(&output.stdout))
        .map_err(|library| ProgramError::LibraryMissing { path: path.into(), library })
}

/// Reads the loader's list: `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x..)`, `/lib64/ld-linux-x86-64.so.2
/// (0x..)`, `linux-vdso.so.1 (0x..)` (which is no file). The error is the name of a library that is not found.
fn parse(list: &str) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for line in list.lines().map(str::trim) {
        let path = match line.split_once(" => ") {
            Some((name, "not found")) => return Err(name.to_owned()),
            Some((_, path)) => path,
            None => line,
        };
        let path = path.split_once(" (").map_or(path, |(path, _)| path);
        if path.starts_with('/') {
            paths.push(PathBuf::from(path));
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_the_loader_names_files_and_what_is_no_file_is_left_out() {
        let list = "\tlinux-vdso.so.1 (0x00007f8)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f8)\n";
        let paths = parse(list).unwrap();
        assert_eq!(
            paths,
            ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from)
        );
        assert_eq!(parse("\tlibgone.so.1 => not found\n"), Err("libgone.so.1".into()));
    }

    #[test]
    fn this_test_itself_is_taken_with_its_loader_and_without_its_symbols() {
        let path = std::env::current_exe().unwrap();
        let program = Program::read(&path).unwrap();
        assert!(program.executable.len() < usize::try_from(fs::metadata(&path).unwrap().len()).unwrap());
        let segments = Segments::of(&program.executable).expect("what is left is a program");
        assert_eq!(segments.is_dynamic, !program.libraries.is_empty());
        assert!(program.libraries.iter().all(|library| library.is_file()));
    }

    #[test]
    fn a_script_is_no_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        fs::write(&path, "#!/bin/sh\n").unwrap();
        assert!(matches!(Program::read(&path), Err(ProgramError::NotElf(_))));
    }

    #[test]
    fn a_damaged_header_is_an_error_and_not_a_panic() {
        let file = fs::read(std::env::current_exe().unwrap()).unwrap();
        for length in 0..200 {
            assert!(Segments::of(&file[..length]).is_none(), "cut after {length} bytes");
        }
    }
}

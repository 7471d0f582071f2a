//! The guest's first and only file system: a cpio archive in memory (kernel: `Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::collections::BTreeSet;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::{fs, iter};

use cpio::newc::{self, Builder, ModeFileType};

use crate::program::Program;

/// Where the guest finds its modules, in load order.
pub(crate) const MODULES: &str = "/modules";
/// Where it finds the modules that are loaded after the moment at which a machine is saved.
pub(crate) const LATE_MODULES: &str = "/modules-late";
/// Where it finds its job, if it was packed with it.
pub(crate) const JOB: &str = "/job";

/// The ends of the names of modules' files.
pub(crate) const REQUIRED: &str = "ko";
pub(crate) const OPTIONAL: &str = "optional";

/// Whether a guest can do without a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// No: where the kernel refuses it, the guest ends.
    Required,
    /// Yes: such as a faster way for a processor that the guest does not have.
    Optional,
}

/// Files for a guest. The same files give the same bytes: no time stamps, no inode numbers of the host.
#[derive(Clone, Debug, Default)]
pub struct Initramfs {
    files: Vec<File>,
}

#[derive(Clone, Debug)]
struct File {
    path: PathBuf,
    mode: u32,
    bytes: Vec<u8>,
}

/// A file of the host that could not be taken in.
#[derive(Debug, thiserror::Error)]
#[error("could not read {}: {source}", path.display())]
pub struct FileError {
    path: PathBuf,
    source: io::Error,
}

impl Initramfs {
    /// An archive with `init` as the first program.
    pub fn new(init: &Program) -> Result<Self, FileError> {
        let mut initramfs = Self::default();
        initramfs.add_program(Path::new("/init"), init)?;
        Ok(initramfs)
    }

    /// Adds a program under a path, with its libraries under theirs.
    pub fn add_program(&mut self, path: &Path, program: &Program) -> Result<(), FileError> {
        self.add(path, 0o755, program.executable.clone());
        for library in &program.libraries {
            self.add_copy(library)?;
        }
        Ok(())
    }

    /// Adds a file of the host under its own path, unless it is there already.
    pub fn add_copy(&mut self, path: &Path) -> Result<(), FileError> {
        if self.files.iter().all(|file| file.path != path) {
            let bytes = fs::read(path).map_err(|source| FileError { path: path.into(), source })?;
            self.add(path, 0o755, bytes);
        }
        Ok(())
    }

    /// Adds a module (uncompressed); modules are loaded in the order they were added.
    pub fn add_module(&mut self, name: &str, need: Need, bytes: Vec<u8>) {
        self.add_module_to(MODULES, name, need, bytes);
    }

    /// Adds a module that is loaded after the moment at which a machine is saved: what it finds may change from
    /// one resumption to the next.
    pub fn add_late_module(&mut self, name: &str, need: Need, bytes: Vec<u8>) {
        self.add_module_to(LATE_MODULES, name, need, bytes);
    }

    fn add_module_to(&mut self, folder: &str, name: &str, need: Need, bytes: Vec<u8>) {
        let number = self.files.iter().filter(|file| file.path.starts_with(folder)).count();
        let suffix = match need {
            Need::Required => REQUIRED,
            Need::Optional => OPTIONAL,
        };
        self.add(&Path::new(folder).join(format!("{number:03}-{name}.{suffix}")), 0o644, bytes);
    }

    fn add(&mut self, path: &Path, mode: u32, bytes: Vec<u8>) {
        self.files.push(File { path: path.into(), mode, bytes });
    }

    /// The same with the job that the program in the guest is to do.
    #[must_use]
    pub fn with_job(&self, bytes: Vec<u8>) -> Self {
        let mut packed = self.clone();
        packed.add(Path::new(JOB), 0o644, bytes);
        packed
    }

    /// The archive, uncompressed: a guest would spend its own time on unpacking.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let folders: BTreeSet<&Path> = self
            .files
            .iter()
            .flat_map(|file| file.path.ancestors().skip(1))
            .chain([MODULES, LATE_MODULES, "/dev", "/proc", "/sys", "/tmp", "/run"].map(Path::new))
            .filter(|folder| folder.parent().is_some())
            .collect();
        // Parents sort before their children.
        let folders = folders.into_iter().map(|path| (path, ModeFileType::Directory, 0o755, &[][..]));
        let files = self
            .files
            .iter()
            .map(|file| (file.path.as_path(), ModeFileType::Regular, file.mode, file.bytes.as_slice()));
        // /dev/console is opened by the kernel before anything is mounted (init/main.c, console_on_rootfs()).
        let console = iter::once((Path::new("/dev/console"), ModeFileType::Char, 0o600, &[][..]));
        for (number, (path, kind, mode, bytes)) in (1..).zip(folders.chain(files).chain(console)) {
            let name = path.strip_prefix("/").unwrap_or(path).to_string_lossy();
            let is_console = matches!(kind, ModeFileType::Char);
            let entry = Builder::new(&name).ino(number).nlink(1).mode(mode).set_mode_file_type(kind);
            let entry = if is_console { entry.rdev_major(5).rdev_minor(1) } else { entry };
            let size =
                u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
            let mut entry = entry.write(&mut *out, size);
            io::copy(&mut Cursor::new(bytes), &mut entry)?;
            entry.finish()?;
        }
        newc::trailer(&mut *out)?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(archive: &[u8]) -> Vec<String> {
        let mut rest = Cursor::new(archive);
        let mut names = Vec::new();
        loop {
            let reader = newc::Reader::new(&mut rest).unwrap();
            if reader.entry().is_trailer() {
                return names;
            }
            names.push(reader.entry().name().to_owned());
            reader.finish().unwrap();
        }
    }

    #[test]
    fn folders_come_before_what_is_in_them_and_modules_keep_their_order() {
        let program = Program { executable: b"x".to_vec(), libraries: Vec::new() };
        let mut initramfs = Initramfs::new(&program).unwrap();
        initramfs.add_module("veth", Need::Required, b"1".to_vec());
        initramfs.add_module("crc32c_intel", Need::Optional, b"2".to_vec());
        let initramfs = initramfs.with_job(b"{}".to_vec());
        let mut archive = Vec::new();
        initramfs.write(&mut archive).unwrap();
        assert_eq!(
            names(&archive),
            [
                "dev",
                "modules",
                "modules-late",
                "proc",
                "run",
                "sys",
                "tmp",
                "init",
                "modules/000-veth.ko",
                "modules/001-crc32c_intel.optional",
                "job",
                "dev/console"
            ]
        );
        let mut again = Vec::new();
        initramfs.write(&mut again).unwrap();
        assert_eq!(archive, again);
    }

    #[test]
    fn a_library_of_two_programs_is_taken_once() {
        let library = std::env::current_exe().unwrap();
        let program = Program { executable: b"x".to_vec(), libraries: vec![library.clone()] };
        let mut initramfs = Initramfs::new(&program).unwrap();
        initramfs.add_program(Path::new("/usr/sbin/nft"), &program).unwrap();
        assert_eq!(initramfs.files.iter().filter(|file| file.path == library).count(), 1);
        let gone = Program { libraries: vec!["/no/such/library.so".into()], ..program };
        let error = initramfs.add_program(Path::new("/bin/gone"), &gone).unwrap_err();
        assert!(error.to_string().contains("/no/such/library.so"), "{error}");
    }
}

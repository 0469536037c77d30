//! Files: reading those of a kind, and writing them whole or not at all.
//!
//! An [`Output`] is opened before the work starts, as a temporary file in the target's directory, so
//! that a place that cannot be written is known at once. It takes its name only when it is complete
//! and on disk; dropped before, it leaves nothing. Several take their names together or not at all.

use super::text;
use anyhow::{anyhow, bail, Context, Result};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use veristar::prover::budget::{self, Count, Lock};
use veristar::prover::Package;
use veristar::verifier::verify::hex;
use veristar::verifier::Key;
use veristar::winterfell;

/// What a file's first bytes say it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Package,
    Key,
    Proof,
    Ranges,
    WinterfellPackage,
    WinterfellKey,
    WinterfellProof,
    Other,
}

impl Kind {
    pub fn of(bytes: &[u8]) -> Self {
        match bytes.get(..8) {
            Some(b"VERISTRM") => Self::Package,
            Some(b"VERISTRK") => Self::Key,
            Some(b"VERISTRP") => Self::Proof,
            Some(b"VERISTRR") => Self::Ranges,
            Some(b"VERISTWM") => Self::WinterfellPackage,
            Some(b"VERISTWK") => Self::WinterfellKey,
            Some(b"VERISTWP") => Self::WinterfellProof,
            _ => Self::Other,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Package => "a model package (.vsm)",
            Self::Key => "a verification key (.vk)",
            Self::Proof => "a proof",
            Self::Ranges => "a proof of weight ranges (.vranges)",
            Self::WinterfellPackage => "a model package (.vsm) of the Winterfell backend",
            Self::WinterfellKey => "a verification key (.vk) of the Winterfell backend",
            Self::WinterfellProof => "a proof of the Winterfell backend",
            Self::Other => "no Veristar file",
        }
    }

    /// Whether it belongs to the Winterfell backend.
    pub const fn is_winterfell(self) -> bool {
        matches!(self, Self::WinterfellPackage | Self::WinterfellKey | Self::WinterfellProof)
    }

    /// The same kind of file of the stwo backend.
    const fn of_stwo(self) -> Self {
        match self {
            Self::WinterfellPackage => Self::Package,
            Self::WinterfellKey => Self::Key,
            Self::WinterfellProof => Self::Proof,
            other => other,
        }
    }
}

pub fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path).map_err(|e| cannot_read(path, &e))?;
    not_empty(path, &bytes)?;
    Ok(bytes)
}

fn cannot_read(path: &Path, error: &std::io::Error) -> anyhow::Error {
    anyhow!("cannot read `{}`: {error}; check the path and its permissions", path.display())
}

fn not_empty(path: &Path, bytes: &[u8]) -> Result<()> {
    match bytes.is_empty() {
        true => bail!("`{}` is empty; make the file again", path.display()),
        false => Ok(()),
    }
}

/// Says what was given instead of what was wanted.
pub fn expect(path: &Path, bytes: &[u8], wanted: Kind, next: &str) -> Result<()> {
    let got = Kind::of(bytes);
    // Commands without a Winterfell side: say which backend they are for, not which file to pass.
    if got.is_winterfell() && got.of_stwo() == wanted {
        bail!(
            "`{}` is {}, and this takes the stwo backend's only: set the model up without --backend winterfell",
            path.display(),
            got.name()
        );
    }
    match got == wanted {
        true => Ok(()),
        false => bail!("`{}` is {}, not {}; {next}", path.display(), got.name(), wanted.name()),
    }
}

pub fn read_package(path: &Path) -> Result<Package> {
    package_of(path, &read(path)?)
}

/// The package that a file's bytes are.
pub fn package_of(path: &Path, bytes: &[u8]) -> Result<Package> {
    expect_package(path, bytes)?;
    Package::from_bytes(bytes).with_context(|| set_up_again(path))
}

/// [`package_of`], of the Winterfell backend.
pub fn winterfell_package_of(path: &Path, bytes: &[u8]) -> Result<winterfell::Package> {
    winterfell::Package::from_bytes(bytes).with_context(|| set_up_again(path))
}

fn expect_package(path: &Path, bytes: &[u8]) -> Result<()> {
    not_empty(path, bytes)?;
    expect(path, bytes, Kind::Package, "pass the NAME.vsm that `veristar setup` wrote")
}

pub fn set_up_again(path: &Path) -> String {
    format!("cannot use `{}` (run `veristar setup` again)", path.display())
}

/// A package without its ONNX file, which is not even read.
pub fn read_package_for_proving(path: &Path) -> Result<Package> {
    let (magic, file) = open(path)?;
    package_for_proving(path, &magic, file)
}

fn package_for_proving(path: &Path, magic: &[u8], file: fs::File) -> Result<Package> {
    expect_package(path, magic)?;
    Package::for_proving(&mut magic.chain(file)).with_context(|| set_up_again(path))
}

/// A file after its first bytes, and these.
fn open(path: &Path) -> Result<(Vec<u8>, fs::File)> {
    let mut file = fs::File::open(path).map_err(|e| cannot_read(path, &e))?;
    let mut magic = Vec::new();
    Read::take(&mut file, 8).read_to_end(&mut magic).map_err(|e| cannot_read(path, &e))?;
    Ok((magic, file))
}

/// What `prove`, `run` and `inspect` take.
pub enum AnyPackage {
    Stwo(Box<Package>),
    Winterfell(Box<winterfell::Package>),
}

/// [`read_package_for_proving`], of either backend.
pub fn read_any_package_for_proving(path: &Path) -> Result<AnyPackage> {
    let (mut bytes, mut file) = open(path)?;
    if Kind::of(&bytes) != Kind::WinterfellPackage {
        return Ok(AnyPackage::Stwo(Box::new(package_for_proving(path, &bytes, file)?)));
    }
    file.read_to_end(&mut bytes).map_err(|e| cannot_read(path, &e))?;
    Ok(AnyPackage::Winterfell(Box::new(winterfell_package_of(path, &bytes)?)))
}

/// A package of either backend.
pub fn read_any_package(path: &Path) -> Result<AnyPackage> {
    let bytes = read(path)?;
    Ok(match Kind::of(&bytes) {
        Kind::WinterfellPackage => {
            AnyPackage::Winterfell(Box::new(winterfell_package_of(path, &bytes)?))
        }
        _ => AnyPackage::Stwo(Box::new(package_of(path, &bytes)?)),
    })
}

pub fn read_key(path: &Path) -> Result<Key> {
    key_of(path, &read(path)?)
}

/// The key that a file's bytes are.
pub fn key_of(path: &Path, bytes: &[u8]) -> Result<Key> {
    expect(path, bytes, Kind::Key, "pass the NAME.vk that `veristar setup` wrote")?;
    Key::from_bytes(bytes).with_context(|| get_key_again(path))
}

/// The key of the Winterfell backend that a file's bytes are.
pub fn winterfell_key_of(path: &Path, bytes: &[u8]) -> Result<winterfell::WinterfellKey> {
    expect(path, bytes, Kind::WinterfellKey, "pass the NAME.vk from the proof's own set-up")?;
    winterfell::WinterfellKey::from_bytes(bytes).with_context(|| get_key_again(path))
}

fn get_key_again(path: &Path) -> String {
    format!("cannot use the key `{}` (get it again from whoever published it)", path.display())
}

pub fn fingerprint(key: &Key) -> String {
    hex(&key.fingerprint())
}

/// A file to be written.
pub struct Output {
    path: PathBuf,
    file: NamedTempFile,
}

impl Output {
    /// `private` files may be read by their owner only.
    pub fn create(path: &Path, private: bool) -> Result<Self> {
        let cannot = |e: &dyn std::fmt::Display| {
            let path = path.display();
            anyhow!("cannot write `{path}`: {e}; choose a directory that exists and is writable")
        };
        if path.is_dir() {
            return Err(cannot(&"it is a directory"));
        }
        let directory = directory(path);
        if !directory.is_dir() {
            return Err(cannot(&format!("`{}` is no directory", directory.display())));
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".veristar-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = if private { 0o600 } else { 0o666 };
            builder.permissions(fs::Permissions::from_mode(mode));
        }
        #[cfg(not(unix))]
        let _ = private;
        let file = builder.tempfile_in(directory).map_err(|e| cannot(&e.kind()))?;
        Ok(Self { path: path.to_path_buf(), file })
    }

    /// Fills the file and waits until it is on disk; it still has no name.
    pub fn fill(&mut self, bytes: &[u8]) -> Result<()> {
        let done = self.file.write_all(bytes).and_then(|()| self.file.as_file().sync_all());
        done.with_context(|| format!("cannot write `{}`", self.path.display()))
    }

    /// Gives the file its name.
    pub fn publish(self) -> Result<PathBuf> {
        let path = self.path;
        let cannot = |e: &std::io::Error| {
            let reason = text::one_line(&e.to_string());
            anyhow!("cannot write `{}`: {reason}; choose another place", path.display())
        };
        self.file.persist(&path).map_err(|e| cannot(&e.error))?;
        budget::sync_directory(&path).map_err(|e| cannot(&e))?;
        Ok(path)
    }

    /// Gives all files their names, in this order, or none: then what had a name before has it again.
    pub fn publish_all(outputs: Vec<Self>) -> Result<()> {
        let mut done: Vec<Replaced> = Vec::new();
        for output in outputs {
            let step = Replaced::keep(&output.path).and_then(|kept| {
                done.push(kept);
                output.publish()
            });
            if let Err(error) = step {
                done.iter().rev().for_each(Replaced::restore);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// What had a name before, under another one until this is dropped.
struct Replaced {
    path: PathBuf,
    kept: Option<(tempfile::TempDir, PathBuf)>,
}

impl Replaced {
    fn keep(path: &Path) -> Result<Self> {
        let mut kept = None;
        if fs::symlink_metadata(path).is_ok() {
            let directory = tempfile::Builder::new()
                .prefix(".veristar-")
                .tempdir_in(directory(path))
                .with_context(|| format!("cannot write beside `{}`", path.display()))?;
            let file = directory.path().join("old");
            // A copy where there are no hard links.
            fs::hard_link(path, &file)
                .or_else(|_| fs::copy(path, &file).map(|_| ()))
                .with_context(|| format!("cannot replace `{}`", path.display()))?;
            kept = Some((directory, file));
        }
        Ok(Self { path: path.to_path_buf(), kept })
    }

    /// As far as possible: this is on the way out of an error.
    fn restore(&self) {
        let _ = match &self.kept {
            Some((_, file)) => fs::rename(file, &self.path),
            None => fs::remove_file(&self.path),
        };
    }
}

/// A package with its key and its count of proofs, to be written together; others may be added.
pub struct Outputs {
    pub package: PathBuf,
    pub key: PathBuf,
    count: PathBuf,
    package_file: Output,
    key_file: Output,
    count_file: Output,
}

/// Bytes written.
pub struct Written {
    pub package: usize,
    pub key: usize,
}

impl Outputs {
    pub fn create(name: &Path) -> Result<Self> {
        let (package, key) = (with_ending(name, "vsm"), with_ending(name, "vk"));
        let count = budget::count_path(&package);
        Ok(Self {
            package_file: Output::create(&package, true)?,
            key_file: Output::create(&key, false)?,
            count_file: Output::create(&count, true)?,
            package,
            key,
            count,
        })
    }

    /// Writes a package of which `used` proofs have been made, and more files.
    pub fn publish(self, package: &Package, used: u32, more: Vec<Output>) -> Result<Written> {
        let count = budget::is_counted(&package.key)
            .then(|| Count { used, ..Count::new(&package.key) }.to_bytes());
        self.publish_bytes(&package.to_bytes(), &package.key.to_bytes(), count.as_deref(), more)
    }

    /// Writes a package, its key, and a count if its proofs are counted.
    pub fn publish_bytes(
        mut self,
        package_bytes: &[u8],
        key_bytes: &[u8],
        count: Option<&[u8]>,
        more: Vec<Output>,
    ) -> Result<Written> {
        self.package_file.fill(package_bytes)?;
        self.key_file.fill(key_bytes)?;
        // The package comes last: where it is, its count is.
        let mut files = more;
        files.push(self.key_file);
        let counted = count.is_some();
        if let Some(count) = count {
            self.count_file.fill(count)?;
            files.push(self.count_file);
        }
        files.push(self.package_file);
        let old = fs::symlink_metadata(&self.count).is_ok();
        // A prover with the old package may be raising its count.
        let _lock = match counted || old {
            true => Some(Lock::of(&self.count)?),
            false => None,
        };
        Output::publish_all(files)?;
        if old && !counted {
            let _ = fs::remove_file(&self.count);
        }
        Ok(Written { package: package_bytes.len(), key: key_bytes.len() })
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// `NAME.ending`, also where NAME has one of our endings already.
pub fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let endings = ["vsm", "vk", "vrotation"];
    let own = name.extension().is_some_and(|e| endings.iter().any(|ending| e == *ending));
    let stem = if own { name.with_extension("") } else { name.to_path_buf() };
    let mut result = stem.into_os_string();
    result.push(".");
    result.push(ending);
    result.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_or_none() {
        let directory = tempfile::tempdir().expect("directory");
        let path = |name: &str| directory.path().join(name);
        let made = |name: &str| {
            let mut output = Output::create(&path(name), false).expect("create");
            output.fill(b"new").expect("fill");
            output
        };
        let names = || {
            let entries = fs::read_dir(directory.path()).expect("list");
            let mut names: Vec<_> = entries.map(|e| e.expect("entry").file_name()).collect();
            names.sort();
            names
        };
        fs::write(path("old"), b"old").expect("write");
        let outputs = vec![made("fresh"), made("old"), made("taken"), made("last")];
        fs::create_dir(path("taken")).expect("directory");
        assert!(Output::publish_all(outputs).is_err());
        assert_eq!(fs::read(path("old")).expect("read"), b"old");
        assert_eq!(names(), ["old", "taken"]);

        Output::publish_all(vec![made("fresh"), made("old")]).expect("publish");
        assert_eq!(fs::read(path("old")).expect("read"), b"new");
        assert_eq!(names(), ["fresh", "old", "taken"]);
    }

    #[test]
    fn endings_are_replaced() {
        for (name, expected) in [
            ("m", "m.vk"),
            ("m.vsm", "m.vk"),
            ("m.vk", "m.vk"),
            ("m.vrotation", "m.vk"),
            ("m.v2", "m.v2.vk"),
        ] {
            assert_eq!(with_ending(Path::new(name), "vk"), Path::new(expected));
        }
    }
}

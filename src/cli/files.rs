//! Files: reading those of a kind, and writing them whole or not at all.
//!
//! An [`Output`] is opened before the work starts, as a temporary file in the target's directory, so
//! that a place that cannot be written is known at once. It takes its name only when it is complete
//! and on disk; dropped before, it leaves nothing.

use super::text;
use anyhow::{anyhow, bail, Context, Result};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use veristar::prover::Package;
use veristar::verifier::verify::hex;
use veristar::verifier::Key;

/// What a file's first bytes say it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Package,
    Key,
    Proof,
    Other,
}

impl Kind {
    pub fn of(bytes: &[u8]) -> Self {
        match bytes.get(..8) {
            Some(b"VERISTRM") => Self::Package,
            Some(b"VERISTRK") => Self::Key,
            Some(b"VERISTRP") => Self::Proof,
            _ => Self::Other,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Package => "a model package (.vsm)",
            Self::Key => "a verification key (.vk)",
            Self::Proof => "a proof",
            Self::Other => "no Veristar file",
        }
    }
}

pub fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path).map_err(|e| {
        anyhow!("cannot read `{}`: {e}; check the path and its permissions", path.display())
    })?;
    match bytes.is_empty() {
        true => bail!("`{}` is empty; make the file again", path.display()),
        false => Ok(bytes),
    }
}

/// Says what was given instead of what was wanted.
pub fn expect(path: &Path, bytes: &[u8], wanted: Kind, next: &str) -> Result<()> {
    let got = Kind::of(bytes);
    match got == wanted {
        true => Ok(()),
        false => bail!("`{}` is {}, not {}; {next}", path.display(), got.name(), wanted.name()),
    }
}

pub fn read_package(path: &Path) -> Result<(Package, usize)> {
    let bytes = read(path)?;
    expect(path, &bytes, Kind::Package, "pass the NAME.vsm that `veristar setup` wrote")?;
    let next = || format!("cannot use `{}` (run `veristar setup` again)", path.display());
    Ok((Package::from_bytes(&bytes).with_context(next)?, bytes.len()))
}

pub fn read_key(path: &Path) -> Result<(Key, usize)> {
    let bytes = read(path)?;
    expect(path, &bytes, Kind::Key, "pass the NAME.vk that `veristar setup` wrote")?;
    let next = || {
        let path = path.display();
        format!("cannot use the key `{path}` (get it again from whoever published it)")
    };
    Ok((Key::from_bytes(&bytes).with_context(next)?, bytes.len()))
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
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
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
        self.file.persist(&path).map_err(|e| {
            let reason = text::one_line(&e.error.to_string());
            anyhow!("cannot write `{}`: {reason}; choose another place", path.display())
        })?;
        Ok(path)
    }
}

/// `NAME.ending`, also where NAME has one of our endings already.
pub fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let own = name.extension().is_some_and(|e| e == "vsm" || e == "vk");
    let stem = if own { name.with_extension("") } else { name.to_path_buf() };
    let mut result = stem.into_os_string();
    result.push(".");
    result.push(ending);
    result.into()
}

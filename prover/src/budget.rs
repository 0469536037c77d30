//! How many proofs a package has made: a count in a file beside it.
//!
//! A weights commitment hides for `Key::proofs` proofs, since each of them opens it. `NAME.vsm.count`
//! says how many have been begun:
//!
//! ```text
//! veristar count 1
//! weights 5d1c..       the key's weights root
//! proofs 41            the key's number of proofs
//! used 3
//! check 0f6b..         hash of the lines above
//! ```
//!
//! *Never twice.* A proof takes its place before anything of it is computed: under an exclusive lock
//! (`NAME.vsm.count.lock`, never removed) the count is read, raised, written to a new file, which
//! is on disk before it gets the count's name, and the name is on disk before [`Budget::take`] returns. A
//! crash therefore loses the place it took, and gives none out twice. A count that is missing, damaged
//! or another package's is an error; it never stands for 0.
//!
//! *What this cannot see:* a package copied together with its count, or an old count put back.
//!
//! The last place is kept for the proof of a rotation. Keys that hide nothing, or hide without limit,
//! have no count.

use crate::error::ProveError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use veristar_verifier::verify::hex;
use veristar_verifier::{FormatError, Key};

const MAGIC: &str = "veristar count ";
/// Version of the count's format.
pub const VERSION: u16 = 1;
/// Places kept for rotation.
const KEPT: u32 = 1;
/// Most bytes that a count is read of.
const LONGEST: usize = 1024;

/// What a proof is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An inference.
    Prove,
    /// A rotation, which may have the last place.
    Rotate,
}

/// Proofs of inferences for which a key hides; `None` without limit. A rotation has one more.
pub const fn proofs(key: &Key) -> Option<u32> {
    match key.proofs {
        u32::MAX => None,
        n => Some(n.saturating_sub(KEPT)),
    }
}

/// Whether proofs with this key are counted.
pub const fn is_counted(key: &Key) -> bool {
    key.hides() && proofs(key).is_some()
}

/// What a count's file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The key's.
    pub weights_root: [u8; 32],
    /// The key's.
    pub proofs: u32,
    /// Proofs begun.
    pub used: u32,
}

impl Count {
    /// For a key with which nothing has been proven.
    pub const fn new(key: &Key) -> Self {
        Self { weights_root: key.weights_root, proofs: key.proofs, used: 0 }
    }

    /// Proofs of inferences that may still be made.
    pub const fn left(&self) -> u32 {
        self.left_for(Purpose::Prove)
    }

    const fn left_for(&self, purpose: Purpose) -> u32 {
        let kept = match purpose {
            Purpose::Prove => KEPT,
            Purpose::Rotate => 0,
        };
        self.proofs.saturating_sub(kept).saturating_sub(self.used)
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { weights_root, proofs, used } = self;
        let weights = hex(weights_root);
        let text = format!("{MAGIC}{VERSION}\nweights {weights}\nproofs {proofs}\nused {used}\n");
        let check = hex(blake3::hash(text.as_bytes()).as_bytes());
        format!("{text}check {check}\n").into_bytes()
    }

    /// Reads a count.
    ///
    /// # Errors
    /// These are not exactly the bytes that [`Count::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let damaged = || FormatError::Malformed { section: "the count" };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
        let mut lines = text.lines();
        let mut field = |name: &str| lines.next().and_then(|line| line.strip_prefix(name));
        let version = field(MAGIC).ok_or(FormatError::Magic { expected: "count" })?;
        let version: u16 = version.parse().map_err(|_| damaged())?;
        if version != VERSION {
            return Err(FormatError::Version { kind: "count", expected: VERSION, got: version });
        }
        let weights_root = field("weights ").and_then(unhex).ok_or_else(damaged)?;
        let mut number = |name| field(name)?.parse().ok();
        let proofs = number("proofs ").ok_or_else(damaged)?;
        let used = number("used ").ok_or_else(damaged)?;
        let count = Self { weights_root, proofs, used };
        // One count has one encoding, hash included.
        match count.to_bytes() == bytes && used <= proofs {
            true => Ok(count),
            false => Err(damaged()),
        }
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    (text.len() == 64).then_some(bytes)
}

/// `PATH.count`, of a package that is or will be at `PATH`.
pub fn count_path(package: &Path) -> PathBuf {
    with_suffix(package, ".count")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Nobody else changes a count while this is held.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock of a count's file, which need not be there yet.
    ///
    /// # Errors
    /// The directory cannot be written, or its file system has no locks.
    pub fn of(count: &Path) -> Result<Self, ProveError> {
        let path = with_suffix(count, ".lock");
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let lock = open.and_then(|file| file.lock().map(|()| Self { _file: file }));
        lock.map_err(|error| ProveError::CountFile { path, error })
    }
}

/// What was taken, and what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The place taken, from 1; `None` where proofs are not counted.
    pub place: Option<u32>,
    /// Proofs of inferences that may still be made; `None` without limit.
    pub left: Option<u32>,
}

/// The count of one package.
#[derive(Clone, Debug)]
pub struct Budget {
    /// As the caller calls it.
    package: PathBuf,
    /// Symbolic links followed, so that one package has one count; `None` if there is none.
    file: Option<PathBuf>,
    /// What the count must be of.
    fresh: Count,
}

impl Budget {
    /// Starts the count of a new package.
    ///
    /// # Errors
    /// There is one already, of this very package, or it cannot be written.
    pub fn create(package: &Path, key: &Key) -> Result<Self, ProveError> {
        let budget = Self::of(package, key);
        if let Some(file) = &budget.file {
            let _lock = Lock::of(file)?;
            match budget.read(file) {
                Err(ProveError::CountMissing { .. } | ProveError::CountForeign { .. }) => {}
                Err(error) => return Err(error),
                Ok(_) => return Err(ProveError::CountExists { path: count_path(package) }),
            }
            write(file, &budget.fresh.to_bytes())
                .map_err(|error| ProveError::CountFile { path: count_path(package), error })?;
        }
        Ok(budget)
    }

    /// The count of a package, which must be there if the key's proofs are counted.
    ///
    /// # Errors
    /// It is missing, damaged, or another package's.
    pub fn open(package: &Path, key: &Key) -> Result<Self, ProveError> {
        let budget = Self::of(package, key);
        budget.count()?;
        Ok(budget)
    }

    fn of(package: &Path, key: &Key) -> Self {
        let follow = |path: PathBuf| fs::canonicalize(&path).unwrap_or(path);
        let file = || follow(count_path(&follow(package.to_path_buf())));
        Self {
            package: package.to_path_buf(),
            file: is_counted(key).then(file),
            fresh: Count::new(key),
        }
    }

    /// What the file says now; `None` if proofs are not counted.
    ///
    /// # Errors
    /// It is missing, damaged, or another package's.
    pub fn count(&self) -> Result<Option<Count>, ProveError> {
        self.file.as_ref().map(|file| self.read(file)).transpose()
    }

    /// Whether [`Budget::take`] would succeed now.
    ///
    /// # Errors
    /// As there.
    pub fn check(&self, purpose: Purpose) -> Result<(), ProveError> {
        match self.count()? {
            Some(count) => self.room(&count, purpose),
            None => Ok(()),
        }
    }

    /// Takes a place, for good. To be called before a proof is begun.
    ///
    /// # Errors
    /// None is left; the count is missing, damaged or another package's, or cannot be written.
    pub fn take(&self, purpose: Purpose) -> Result<Taken, ProveError> {
        let Some(file) = &self.file else { return Ok(Taken { place: None, left: None }) };
        let _lock = Lock::of(file)?;
        let mut count = self.read(file)?;
        self.room(&count, purpose)?;
        count.used += 1;
        write(file, &count.to_bytes())
            .map_err(|error| ProveError::CountFile { path: count_path(&self.package), error })?;
        Ok(Taken { place: Some(count.used), left: Some(count.left()) })
    }

    fn room(&self, count: &Count, purpose: Purpose) -> Result<(), ProveError> {
        let package = self.package.clone();
        match (count.left_for(purpose), count.left_for(Purpose::Rotate)) {
            (1.., _) => Ok(()),
            (0, 0) => Err(ProveError::Rotated { package }),
            (0, _) => Err(ProveError::Spent { package, proofs: count.proofs.saturating_sub(KEPT) }),
        }
    }

    fn read(&self, file: &Path) -> Result<Count, ProveError> {
        let package = self.package.clone();
        let bytes = match fs::metadata(file) {
            // Whatever it is, it is no count.
            Ok(about) if about.len() > LONGEST as u64 => Ok(Vec::new()),
            Ok(_) => fs::read(file),
            Err(error) => Err(error),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ProveError::CountMissing { package });
            }
            Err(error) => return Err(ProveError::CountFile { path: count_path(&package), error }),
        };
        let count = match Count::from_bytes(&bytes) {
            Ok(count) => count,
            Err(reason) => return Err(ProveError::CountDamaged { package, reason }),
        };
        match (Count { used: 0, ..count }) == self.fresh {
            true => Ok(count),
            false => Err(ProveError::CountForeign { package }),
        }
    }
}

/// Replaces a file, whole or not at all; the new one is on disk when this returns. For holders of the
/// file's lock.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = with_suffix(path, ".new");
    match fs::remove_file(&new) {
        // A crash may have left it.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(&new)?;
    if let Ok(old) = fs::metadata(path) {
        // Who may read it stays as it was, where the file system can.
        let _ = file.set_permissions(old.permissions());
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, path)?;
    sync_directory(path)
}

/// Waits until the name of a file is on disk.
///
/// # Errors
/// The directory cannot be read or synchronised.
pub fn sync_directory(of: &Path) -> io::Result<()> {
    let directory = match of.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Elsewhere a directory cannot be opened as a file.
    if cfg!(unix) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::process::{Child, Command, Stdio};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;
    use veristar_air::program::Layout;
    use veristar_security::Preset;

    /// A directory that is removed.
    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("veristar-budget-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).expect("directory");
            Self(path)
        }

        fn package(&self) -> PathBuf {
            let path = self.0.join("m.vsm");
            fs::write(&path, b"a package").expect("write");
            path
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn key(proofs: u32, root: u8) -> Key {
        let (instances, constants, public) = (Vec::new(), Vec::new(), Vec::new());
        Key {
            name: "model".into(),
            preset: Preset::Fast,
            proofs,
            architecture: [0; 32],
            layout: Layout { instances, constants, batch: 1, public },
            program_root: [0; 32],
            weights_root: [root; 32],
        }
    }

    #[test]
    fn the_last_place_is_for_rotation() {
        let directory = Directory::new();
        let package = directory.package();
        let budget = Budget::create(&package, &key(3, 7)).expect("create");
        let take = |purpose| Budget::open(&package, &key(3, 7)).expect("open").take(purpose);
        assert_eq!(take(Purpose::Prove).expect("first"), Taken { place: Some(1), left: Some(1) });
        assert_eq!(take(Purpose::Prove).expect("second"), Taken { place: Some(2), left: Some(0) });
        let spent = take(Purpose::Prove).expect_err("the third is kept").to_string();
        assert!(spent.contains("all 2 proofs") && spent.contains("veristar rotate"), "{spent}");
        assert!(budget.check(Purpose::Prove).is_err() && budget.check(Purpose::Rotate).is_ok());
        assert_eq!(take(Purpose::Rotate).expect("third").place, Some(3));
        for purpose in [Purpose::Prove, Purpose::Rotate] {
            let error = take(purpose).expect_err("none is left");
            assert!(matches!(error, ProveError::Rotated { .. }), "{error}");
        }
    }

    #[test]
    fn what_a_crash_left_is_no_obstacle() {
        let directory = Directory::new();
        let package = directory.package();
        let budget = Budget::create(&package, &key(9, 7)).expect("create");
        fs::write(with_suffix(&count_path(&package), ".new"), b"veristar cou").expect("write");
        assert_eq!(budget.take(Purpose::Prove).expect("take").place, Some(1));
        assert_eq!(budget.take(Purpose::Prove).expect("take").place, Some(2));
    }

    #[test]
    fn what_has_no_limit_has_no_file() {
        let directory = Directory::new();
        let package = directory.package();
        for proofs in [0, u32::MAX] {
            let budget = Budget::create(&package, &key(proofs, 7)).expect("create");
            assert_eq!(budget.take(Purpose::Prove).expect("take").left, None);
        }
        assert_eq!(fs::read_dir(&directory.0).expect("list").count(), 1);
    }

    #[test]
    fn a_count_is_not_started_again() {
        let directory = Directory::new();
        let package = directory.package();
        Budget::create(&package, &key(9, 7)).expect("create");
        let error = Budget::create(&package, &key(9, 7)).expect_err("it is there");
        assert!(matches!(error, ProveError::CountExists { .. }), "{error}");
        // Another package takes the name.
        Budget::create(&package, &key(9, 8)).expect("create");
        fs::write(count_path(&package), b"?").expect("write");
        assert!(Budget::create(&package, &key(9, 8)).is_err());
    }

    #[test]
    fn every_other_file_is_refused() {
        let directory = Directory::new();
        let package = directory.package();
        let budget = Budget::create(&package, &key(900, 7)).expect("create");
        for _ in 0..123 {
            budget.take(Purpose::Prove).expect("take");
        }
        let path = count_path(&package);
        let bytes = fs::read(&path).expect("read");
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("write");
            let error = budget.take(Purpose::Prove).expect_err("damaged");
            assert!(error.to_string().contains("--lost-count"), "{error}");
            assert_eq!(fs::read(&path).expect("read"), bytes, "left alone");
            error
        };
        for length in 0..bytes.len() {
            refused(&bytes[..length]);
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let error = refused(&damaged);
            assert!(matches!(error, ProveError::CountDamaged { .. }), "{error}");
        }
        refused(&[&bytes[..], b"\n"].concat());
        refused(&[b' '; 2 * LONGEST]);
        let version = String::from_utf8_lossy(&bytes).replace("count 1", "count 2");
        assert!(refused(version.as_bytes()).to_string().contains("version 2"));
        for foreign in [key(900, 8), key(901, 7)] {
            let error = refused(&Count::new(&foreign).to_bytes());
            assert!(matches!(error, ProveError::CountForeign { .. }), "{error}");
        }
        fs::remove_file(&path).expect("remove");
        let error = budget.take(Purpose::Rotate).expect_err("missing");
        assert!(matches!(error, ProveError::CountMissing { .. }), "{error}");
        fs::write(&path, &bytes).expect("write");
        assert_eq!(budget.take(Purpose::Prove).expect("take").place, Some(124));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_package_has_its_count() {
        use std::os::unix::fs::symlink;
        let directory = Directory::new();
        let package = directory.package();
        Budget::create(&package, &key(9, 7)).expect("create");
        let (link, elsewhere) = (directory.0.join("link.vsm"), directory.0.join("count"));
        symlink(&package, &link).expect("link");
        fs::rename(count_path(&package), &elsewhere).expect("rename");
        symlink(&elsewhere, count_path(&package)).expect("link");
        for (path, place) in [(&package, 1), (&link, 2), (&package, 3)] {
            let budget = Budget::open(path, &key(9, 7)).expect("open");
            assert_eq!(budget.take(Purpose::Prove).expect("take").place, Some(place));
        }
        assert!(fs::symlink_metadata(count_path(&package)).expect("count").is_symlink());
    }

    #[test]
    fn threads_get_different_places() {
        let directory = Directory::new();
        let package = directory.package();
        Budget::create(&package, &key(101, 7)).expect("create");
        let work = || {
            let budget = Budget::open(&package, &key(101, 7)).expect("open");
            let taken = std::iter::from_fn(|| budget.take(Purpose::Prove).ok()?.place);
            taken.collect::<Vec<u32>>()
        };
        let places: Vec<u32> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|t| t.join().expect("thread")).collect()
        });
        assert_eq!(places.len(), 100);
        assert_eq!(places.into_iter().collect::<BTreeSet<_>>(), (1..=100).collect());
    }

    const CHILD: &str = "VERISTAR_BUDGET_TEST";
    const MANY: u32 = 1_000_000;

    /// Not a test: what the processes of the next one do.
    #[test]
    #[ignore = "run by processes_killed_give_no_place_twice"]
    fn child() {
        let Some(package) = std::env::var_os(CHILD) else { return };
        let budget = Budget::open(Path::new(&package), &key(MANY, 7)).expect("open");
        loop {
            let place = budget.take(Purpose::Prove).expect("take").place.expect("counted");
            // One write, so that a line is there whole or not at all.
            let line = format!("place {place}\n");
            io::stdout().lock().write_all(line.as_bytes()).expect("write");
        }
    }

    #[test]
    fn processes_killed_give_no_place_twice() {
        let directory = Directory::new();
        let package = directory.package();
        let budget = Budget::create(&package, &key(MANY, 7)).expect("create");
        let start = |output: &Path| -> Child {
            Command::new(std::env::current_exe().expect("this program"))
                .args(["--exact", "budget::tests::child", "--ignored", "--nocapture"])
                .env(CHILD, &package)
                .stdout(Stdio::from(File::create(output).expect("output")))
                .stderr(Stdio::null())
                .spawn()
                .expect("start")
        };
        let outputs: Vec<PathBuf> = (0..16).map(|i| directory.0.join(format!("{i}"))).collect();
        for round in outputs.chunks(4) {
            let mut children: Vec<Child> = round.iter().map(|output| start(output)).collect();
            for (i, child) in children.iter_mut().enumerate() {
                // Not all at one moment of their work.
                std::thread::sleep(Duration::from_millis(150 + 7 * i as u64));
                child.kill().expect("kill");
                child.wait().expect("wait");
            }
        }
        let mut places = Vec::new();
        for output in &outputs {
            let said = fs::read_to_string(output).expect("read");
            // The test runner may have begun the first line.
            let numbers = said.lines().filter_map(|line| line.split_once("place "));
            places.extend(numbers.map(|(_, n)| n.parse::<u32>().expect("number")));
        }
        let told = places.len();
        let different: BTreeSet<u32> = places.into_iter().collect();
        assert_eq!(different.len(), told, "a place was given twice");
        let used = budget.count().expect("undamaged").expect("counted").used;
        assert!(told >= outputs.len() && different.last() <= Some(&used), "{told} of {used}");
        // Each may have been killed between taking a place and telling it.
        assert!(used as usize - told <= outputs.len(), "{told} of {used}");
    }
}

//! Which files of the watched folder are inputs, whole, and next.
//!
//! An input is a regular file that ends in .json, .npz or .npy and does not start with a dot. It is
//! whole when neither its length nor its time has changed for a while; whoever renames finished
//! files into the folder never has one read too early, however slowly it was written. Order is that
//! of arrival: of the scan that sees a file first, then of modification times, then of names.

use anyhow::{anyhow, bail, Context, Result};
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

/// How long a file must not have changed.
const SETTLE: Duration = Duration::from_millis(500);
/// Endings of inputs.
const ENDINGS: [&str; 3] = ["json", "npz", "npy"];
/// Held by the one worker of a folder.
const LOCK: &str = ".veristar-worker.lock";

/// A watched folder.
pub struct Inbox {
    folder: PathBuf,
    /// Inputs that are in the queue or being proven, and still in the folder.
    taken: Mutex<HashSet<OsString>>,
    _lock: File,
}

/// What a scan found, besides what is taken.
#[derive(Debug, Default)]
pub struct Scan {
    /// Whole inputs, the first to arrive first.
    pub ready: Vec<OsString>,
    /// Inputs that have not been seen to change, but not for long enough.
    pub settling: usize,
    /// Inputs that changed while they were watched.
    pub growing: usize,
}

/// What earlier scans saw of the files that are there.
#[derive(Default)]
pub struct Seen {
    files: HashMap<OsString, Sighting>,
    arrivals: u64,
}

struct Sighting {
    arrival: u64,
    state: State,
    since: Instant,
    changed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    length: u64,
    modified: SystemTime,
}

impl Inbox {
    /// Watches a folder, alone.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK);
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let cannot = |e: &std::io::Error| {
            anyhow!("cannot use `{}`: {e}; choose a --watch that you can write", path.display())
        };
        let lock = open.map_err(|e| cannot(&e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another worker watches `{}`; give each worker a folder of its own",
                folder.display()
            ),
            Err(TryLockError::Error(e)) => return Err(cannot(&e)),
        }
        Ok(Self { folder: folder.to_path_buf(), taken: Mutex::default(), _lock: lock })
    }

    /// Where an input is.
    pub fn path(&self, name: &OsStr) -> PathBuf {
        self.folder.join(name)
    }

    /// Looks at the folder.
    pub fn scan(&self, seen: &mut Seen) -> Result<Scan> {
        // Held all along, so that no input is moved away between the list and the look at `taken`.
        let taken = self.taken();
        let cannot = || format!("cannot read the folder `{}`", self.folder.display());
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let name = entry.file_name();
            if !is_input(&name) || taken.contains(&name) {
                continue;
            }
            // Whoever put it there may have taken it away again.
            let Ok(about) = entry.metadata() else { continue };
            let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if about.is_file() {
                found.push((State { length: about.len(), modified }, name));
            }
        }
        drop(taken);
        Ok(seen.look(found, Instant::now(), SystemTime::now()))
    }

    /// Takes an input into the queue.
    pub fn take(&self, name: &OsStr) {
        self.taken().insert(name.to_os_string());
    }

    /// Moves an input out of the folder; from then on its name may come again.
    pub fn leave(&self, name: &OsStr, move_away: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut taken = self.taken();
        move_away()?;
        taken.remove(name);
        Ok(())
    }

    fn taken(&self) -> MutexGuard<'_, HashSet<OsString>> {
        // A set of names is right whatever a thread that panicked did.
        self.taken.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Seen {
    fn look(&mut self, mut found: Vec<(State, OsString)>, now: Instant, clock: SystemTime) -> Scan {
        found.sort_by(|(a, a_name), (b, b_name)| (a.modified, a_name).cmp(&(b.modified, b_name)));
        let there: HashSet<&OsString> = found.iter().map(|(_, name)| name).collect();
        self.files.retain(|name, _| there.contains(name));
        let mut ready = Vec::new();
        let mut scan = Scan::default();
        for (state, name) in found {
            let arrival = self.arrivals;
            let file = self.files.entry(name.clone()).or_insert_with(|| {
                self.arrivals += 1;
                Sighting { arrival, state, since: now, changed: false }
            });
            if file.state != state {
                (file.state, file.since, file.changed) = (state, now, true);
            }
            let age = clock.duration_since(state.modified).unwrap_or(Duration::ZERO);
            if now.duration_since(file.since) >= SETTLE || (age >= SETTLE && !file.changed) {
                ready.push((file.arrival, name));
            } else if file.changed {
                scan.growing += 1;
            } else {
                scan.settling += 1;
            }
        }
        ready.sort();
        scan.ready = ready.into_iter().map(|(_, name)| name).collect();
        scan
    }
}

fn is_input(name: &OsStr) -> bool {
    let ending = Path::new(name).extension().map(|e| e.to_string_lossy().to_lowercase());
    let hidden = name.as_encoded_bytes().starts_with(b".");
    !hidden && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(scan: &Scan) -> Vec<&str> {
        scan.ready.iter().map(|name| name.to_str().expect("UTF-8")).collect()
    }

    #[test]
    fn endings_and_dots() {
        for (name, expected) in [
            ("a.json", true),
            ("a.NPZ", true),
            ("a.b.npy", true),
            (".a.json", false),
            ("a.json.part", false),
            ("json", false),
        ] {
            assert_eq!(is_input(OsStr::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn files_settle_in_order_of_arrival() {
        let (start, clock) = (Instant::now(), SystemTime::now());
        let at = |ms: u64| (start + Duration::from_millis(ms), clock + Duration::from_millis(ms));
        let file = |name: &str, length: u64, ms: u64| {
            let modified = clock + Duration::from_millis(ms);
            (State { length, modified }, OsString::from(name))
        };
        let mut seen = Seen::default();
        let mut look = |files: Vec<(State, OsString)>, ms| {
            let (now, clock) = at(ms);
            seen.look(files, now, clock)
        };
        // Old enough by their own time: the older first, then by name. A new one has to settle.
        let all = |length| {
            vec![file("new.json", length, 5000), file("b.json", 1, 7), file("a.json", 1, 7)]
        };
        let first = look(all(1), 5000);
        assert_eq!(
            (names(&first), first.settling, first.growing),
            (vec!["a.json", "b.json"], 1, 0)
        );
        // It grows; and one that is older by its time has arrived after the others.
        let mut more = all(2);
        more.push(file("0.json", 1, 1));
        let second = look(more, 5200);
        assert_eq!(names(&second), ["a.json", "b.json", "0.json"]);
        assert_eq!((second.settling, second.growing), (0, 1));
        // It has arrived first of all but the two.
        let third = look(vec![file("new.json", 2, 5000), file("0.json", 1, 1)], 5800);
        assert_eq!(names(&third), ["new.json", "0.json"]);
        // Gone, and there again: it is another arrival.
        assert!(look(Vec::new(), 5900).ready.is_empty());
        assert_eq!(look(vec![file("new.json", 2, 6000)], 6000).settling, 1);
    }

    #[test]
    fn a_folder_has_one_worker() {
        let folder = tempfile::tempdir().expect("directory");
        let inbox = Inbox::open(folder.path()).expect("first");
        let error = Inbox::open(folder.path()).err().expect("second").to_string();
        assert!(error.contains("another worker"), "{error}");
        drop(inbox);
        Inbox::open(folder.path()).expect("after it");
    }
}

//! How much memory this process may still take.
//!
//! On Linux the least of what the machine has left (`MemAvailable`) and of what each control group
//! around this process has (version 2 and 1: its limit less what it uses, page cache that can be
//! dropped not counted). Elsewhere nothing is known, and nothing is refused.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes still available, if the system says.
pub fn available() -> Option<u64> {
    available_in(Path::new("/"))
}

/// Bytes that this process has in memory now; 0 if unknown.
pub fn resident() -> u64 {
    of_process("VmRSS:").unwrap_or(0)
}

/// The most bytes that this process has had in memory, if the system says.
pub fn peak() -> Option<u64> {
    of_process("VmHWM:")
}

fn of_process(name: &str) -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").unwrap_or_default(), name)
}

fn available_in(root: &Path) -> Option<u64> {
    let memory = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let groups = groups.lines().flat_map(|line| group(root, line));
    kilobytes(&memory, "MemAvailable:").into_iter().chain(groups).min()
}

/// What the control group of a line of `/proc/self/cgroup` has left, and those above it.
fn group(root: &Path, line: &str) -> Vec<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { return Vec::new() };
    let (mounted, files) = match controllers {
        "" => (root.join("sys/fs/cgroup"), &VERSION_2),
        list if list.split(',').any(|c| c == "memory") => {
            (root.join("sys/fs/cgroup/memory"), &VERSION_1)
        }
        _ => return Vec::new(),
    };
    // In a container the path may be one of the host; the mounted root is the container's then.
    let own: PathBuf = mounted.join(path.trim_start_matches('/'));
    let above = own.ancestors().take_while(|directory| directory.starts_with(&mounted));
    above.filter_map(|directory| left(directory, files)).collect()
}

/// Names of a control group's files, and of the field with page cache that can be dropped.
struct Files {
    limit: &'static str,
    usage: &'static str,
    cache: &'static str,
}

const VERSION_2: Files =
    Files { limit: "memory.max", usage: "memory.current", cache: "inactive_file " };
const VERSION_1: Files = Files {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    cache: "total_inactive_file ",
};

fn left(directory: &Path, files: &Files) -> Option<u64> {
    let number = |name: &str| -> Option<u64> {
        // `max` stands for no limit.
        fs::read_to_string(directory.join(name)).ok()?.trim().parse().ok()
    };
    let (limit, used) = (number(files.limit)?, number(files.usage)?);
    let about = fs::read_to_string(directory.join("memory.stat")).unwrap_or_default();
    let cache = about.lines().find_map(|line| line.strip_prefix(files.cache)?.parse().ok());
    Some(limit.saturating_sub(used.saturating_sub(cache.unwrap_or(0))))
}

/// A line `NAME   123 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root directory with these files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("directory");
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().expect("parent")).expect("directories");
            fs::write(path, text).expect("write");
        }
        root
    }

    #[test]
    fn the_least_of_machine_and_groups_counts() {
        let memory = ("proc/meminfo", "MemTotal:  9 kB\nMemAvailable:   8000 kB\n");
        let known = |files: &[(&str, &str)]| available_in(root(files).path());
        assert_eq!(known(&[]), None);
        assert_eq!(known(&[memory]), Some(8_192_000));
        // Version 2: the group above has less; page cache counts as left.
        let two = [
            memory,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.current", "1\n"),
            ("sys/fs/cgroup/a/memory.max", "5000\n"),
            ("sys/fs/cgroup/a/memory.current", "4000\n"),
            ("sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 500\n"),
        ];
        assert_eq!(known(&two), Some(1500));
        // Version 1, in a container that sees the host's path.
        let one = [
            memory,
            ("proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/1\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "3000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n"),
        ];
        assert_eq!(known(&one), Some(2000));
        // More used than allowed: nothing is left.
        let over = [
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "10\n"),
            ("sys/fs/cgroup/memory.current", "20\n"),
        ];
        assert_eq!(known(&over), Some(0));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_is_known() {
        assert!(available().is_some_and(|bytes| bytes > 0));
        assert!(resident() > 1 << 20);
    }
}

//! What the figures were measured on.

use std::path::Path;

/// Prints the processor, the memory, the disk, the kernel and the file system of `dir`.
pub(crate) fn print(dir: &Path) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let field = |text: &str, name: &str| {
        let mut lines = text.lines().filter(|it| it.starts_with(name));
        let value = lines.next().and_then(|it| it.split_once(':'));
        value.map_or("unknown".to_owned(), |(_, it)| it.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "processor    {}, {cores} of it to be used",
        field(&processors, "model name")
    );
    println!("frequency    {} MHz now", field(&processors, "cpu MHz"));
    println!("memory       {}", field(&read("/proc/meminfo"), "MemTotal"));
    let (device, kind) = mount(&read("/proc/self/mounts"), dir);
    println!("file system  {kind} on {device}, at {}", dir.display());
    println!("disk         {}", disk(&device));
    println!("kernel       {}", read("/proc/sys/kernel/osrelease").trim());
    let policy = read("/proc/self/sched");
    println!(
        "scheduling   policy {} (0 normal, 1 fifo, 2 round robin)",
        field(&policy, "policy")
    );
}

/// The device and the type of the file system that a path is on.
fn mount(mounts: &str, dir: &Path) -> (String, String) {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mut found = (0, "unknown".to_owned(), "unknown".to_owned());
    for line in mounts.lines() {
        let mut fields = line.split(' ');
        if let (Some(device), Some(at), Some(kind)) = (fields.next(), fields.next(), fields.next())
            && dir.starts_with(at)
            && at.len() >= found.0
        {
            found = (at.len(), device.to_owned(), kind.to_owned());
        }
    }
    (found.1, found.2)
}

/// What the kernel says of a device.
fn disk(device: &str) -> String {
    let name = device.trim_start_matches("/dev/");
    let whole = name.trim_end_matches(|it: char| it.is_ascii_digit());
    for name in [name, whole] {
        let of = |field: &str| {
            let path = format!("/sys/block/{name}/{field}");
            std::fs::read_to_string(path)
                .ok()
                .map(|it| it.trim().to_owned())
        };
        if let Some(rotates) = of("queue/rotational") {
            let model = of("device/model").unwrap_or_else(|| "no model".to_owned());
            let kind = if rotates == "0" {
                "solid state"
            } else {
                "rotating"
            };
            let cache = of("queue/write_cache").unwrap_or_default();
            return format!("{name}: {model}, {kind}, {cache}");
        }
    }
    "unknown".to_owned()
}

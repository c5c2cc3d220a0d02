use super::*;

const DIR: &str = "d";

fn path() -> PathBuf {
    Path::new(DIR).join("file")
}

/// A file with `synced` durable and `unsynced` not.
fn written(synced: &[u8], unsynced: &[u8]) -> Sim {
    let sim = Sim::default();
    let file = sim.create(&path()).unwrap();
    file.write_at(synced, 0).unwrap();
    file.sync_data().unwrap();
    sim.sync_dir(Path::new(DIR)).unwrap();
    file.write_at(unsynced, synced.len() as u64).unwrap();
    sim
}

#[test]
fn a_crash_keeps_what_was_synced_and_some_of_the_rest() {
    let sim = written(&[1; 700], &[2; 3000]);
    assert_eq!(sim.crash(0).read(&path()).unwrap(), [1; 700]);
    assert_eq!(sim.crash(1).read(&path()), sim.read(&path()));
    let mut torn = 0;
    for seed in 2..50 {
        let image = sim.crash(seed).read(&path()).unwrap();
        assert_eq!(image[..700], [1; 700]);
        assert!(image[700..].iter().all(|byte| [0, 2].contains(byte)));
        torn += usize::from(image[700..].contains(&0) && image[700..].contains(&2));
    }
    assert!(torn > 10, "{torn} of 48 seeds tear");
}

#[test]
fn a_synced_file_without_a_synced_name_can_be_lost() {
    let sim = Sim::default();
    let file = sim.create(&path()).unwrap();
    file.write_at(b"bytes", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(sim.crash(0).read(&path()), None);
    sim.sync_dir(Path::new(DIR)).unwrap();
    assert_eq!(sim.crash(0).read(&path()).unwrap(), b"bytes");
}

#[test]
fn an_unsynced_rename_happens_whole_or_not_at_all() {
    let sim = written(b"old", b"");
    let draft = Path::new(DIR).join("draft");
    let file = sim.create(&draft).unwrap();
    file.write_at(b"new", 0).unwrap();
    file.sync_data().unwrap();
    sim.rename(&draft, &path()).unwrap();
    assert_eq!(sim.read(&path()).unwrap(), b"new");
    let mut seen = BTreeSet::new();
    for seed in 0..20 {
        seen.insert(sim.crash(seed).read(&path()).unwrap());
    }
    assert_eq!(seen, BTreeSet::from([b"old".to_vec(), b"new".to_vec()]));
}

#[test]
fn a_failed_sync_that_marks_clean_lies_until_the_power_goes() {
    let sim = written(b"kept", b"lost");
    let file = sim.open(&path()).unwrap();
    sim.plan(Plan::FailAt(1, Failure::Partial));
    file.sync_data().unwrap_err();
    file.sync_data().unwrap();
    assert_eq!(sim.read(&path()).unwrap(), b"keptlost");
    assert_eq!(sim.crash(1).read(&path()).unwrap(), b"kept");
}

#[test]
fn a_full_disk_takes_half_of_a_write() {
    let sim = written(b"", b"");
    let file = sim.open(&path()).unwrap();
    sim.plan(Plan::FailAt(1, Failure::Partial));
    file.write_at(b"abcd", 0).unwrap_err();
    assert_eq!(sim.read(&path()).unwrap(), b"ab");
}

#[test]
fn nothing_happens_from_the_crash_on() {
    let sim = written(b"a", b"");
    let file = sim.open(&path()).unwrap();
    sim.plan(Plan::CrashAt(2));
    file.write_at(b"b", 0).unwrap();
    file.write_at(b"c", 0).unwrap_err();
    file.write_at(b"d", 0).unwrap_err();
    assert!(sim.has_crashed());
    assert_eq!(sim.read(&path()).unwrap(), b"b");
    assert_eq!(sim.calls().all, 2);
}

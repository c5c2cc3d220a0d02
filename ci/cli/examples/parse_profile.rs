//! How fast profiles are read: `cargo run --release -p icgate --example parse_profile -- FILE…`.

use std::fs::File;
use std::time::Instant;

use icgate_core::profile::callgrind;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let file = File::open(&path)?;
        let length = file.metadata()?.len();
        let start = Instant::now();
        let profile = callgrind::read(file)?;
        let seconds = start.elapsed().as_secs_f64();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a figure to be read, not to be judged"
        )]
        let megabytes = length as f64 / 1e6;
        let calls = profile.calls().len();
        let total = profile.instructions()?;
        println!(
            "{path}: {megabytes:.1} MB in {seconds:.3} s = {:.0} MB/s; {total} instructions, {calls} calls",
            megabytes / seconds
        );
        // The process ends: giving back memory piece by piece is not part of reading.
        std::mem::forget(profile);
    }
    Ok(())
}

//! How fast profiles are read: `cargo run --release -p icgate --example parse_profile -- FILE…`.

use std::time::Instant;

use icgate_core::parse::callgrind;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let text = std::fs::read(&path)?;
        let start = Instant::now();
        let profile = callgrind::parse(&text)?;
        let seconds = start.elapsed().as_secs_f64();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a figure to be read, not to be judged"
        )]
        let megabytes = text.len() as f64 / 1e6;
        let (costs, calls) = (profile.costs().count(), profile.calls().len());
        let total = profile.instructions()?;
        println!(
            "{path}: {megabytes:.1} MB in {seconds:.3} s = {:.0} MB/s; {total} instructions, \
             {costs} costs, {calls} calls",
            megabytes / seconds
        );
    }
    Ok(())
}

//! Applies an injection to the files below the working directory: `inject ci/injections/….toml`.

use std::error::Error;
use std::fs;

use icgate_core::model::injection::Injection;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: inject FILE")?;
    let injection = Injection::from_toml(&path, &fs::read_to_string(&path)?)?;
    for edit in &injection.edit {
        let edited = edit.apply(&fs::read_to_string(&edit.file)?, 0)?;
        fs::write(&edit.file, edited.text)?;
    }
    Ok(())
}

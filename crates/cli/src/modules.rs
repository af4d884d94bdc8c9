//! Saved rules of programs in files: `use name.` reads `name.pomo`, or `name.pl`, beside the program.

use std::io::ErrorKind;
use std::path::Path;

use motet_logic::{Catalog, Source, used_modules};

use crate::failure::Failure;

/// What rules are kept in, the first first.
const EXTENSIONS: [&str; 2] = ["pomo", "pl"];

/// Adds the rules that a program in a directory uses, as far as there are files of them.
pub(crate) fn add(mut catalog: Catalog, directory: &Path, program: &Source) -> Result<Catalog, Failure> {
    let mut unread = used_modules(program, &catalog);
    while let Some(name) = unread.pop() {
        if catalog.has_module(&name) {
            continue;
        }
        if let Some(source) = read(directory, &name)? {
            unread.extend(used_modules(&source, &catalog));
            catalog.add_module(&name, source);
        }
    }
    Ok(catalog)
}

/// The rules of a name, if there is a file of them.
fn read(directory: &Path, name: &str) -> Result<Option<Source>, Failure> {
    for extension in EXTENSIONS {
        let file = directory.join(format!("{name}.{extension}"));
        match std::fs::read_to_string(&file) {
            Ok(text) => return Ok(Some(Source::new(file.display().to_string(), text))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::reading(&file, &error)),
        }
    }
    Ok(None)
}

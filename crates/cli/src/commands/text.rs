//! `motet text`: show, insert, append, delete, edit.

use std::io::{Read as _, Write as _};
use std::path::Path;

use motet::Text;

use crate::args::{Format, Global, TextCommand};
use crate::context;
use crate::failure::Failure;
use crate::output;

/// Runs one of the text commands.
pub(crate) fn run(global: &Global, command: TextCommand) -> Result<(), Failure> {
    let party = context::open_party(global)?;
    let text = |item: &str| -> Result<Text, Failure> { Ok(party.text(context::item(&party, item)?)?) };
    match command {
        TextCommand::Show { item } => return show(global, &text(&item)?),
        TextCommand::Insert { item, position, text: inserted } => text(&item)?.insert(position, &inserted)?,
        TextCommand::Append { item, text: appended } => text(&item)?.append(&appended)?,
        TextCommand::Delete { item, position, count } => {
            text(&item)?.delete(position..position.saturating_add(count))?
        }
        TextCommand::Edit { item, file } => text(&item)?.assign(&read(&file)?)?,
    };
    Ok(())
}

fn show(global: &Global, text: &Text) -> Result<(), Failure> {
    let (content, mut out) = (text.content()?, std::io::stdout().lock());
    match global.format {
        Format::Table => Ok(out.write_all(content.as_bytes())?),
        format => {
            let item = context::bare(&text.item());
            output::print_fields(&mut out, format, &[("item", item.into()), ("text", content.into())])
        }
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut content = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut content)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut content))
    };
    read.map_err(|error| Failure::reading(file, &error))?;
    String::from_utf8(content).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::Failed(format!(
            "{} is not UTF-8 text: byte {at} (counting from 0) begins no character",
            file.display()
        ))
    })
}

//! All checks over the workspace.

use std::fs;
use std::path::Path;

use cargo_metadata::MetadataCommand;

use crate::{Complaint, conformance, documents, floors, sources};

/// A text file of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Its path from the root, with slashes.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

/// Every complaint, by file and line.
///
/// # Errors
/// In words, if the workspace can't be read.
pub(crate) fn check(root: &Path) -> Result<Vec<Complaint>, String> {
    let files = files(root)?;
    let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    let metadata = MetadataCommand::new().manifest_path(root.join("Cargo.toml")).no_deps().exec();
    let metadata = metadata.map_err(|error| format!("cargo metadata: {error}"))?;

    let mut complaints = floors::check(&floors::edges(&metadata));
    complaints.extend(floors::reasons("Cargo.toml", text("Cargo.toml").unwrap_or_default()));
    complaints.extend(sources::check(&files, text(sources::RATCHET).unwrap_or_default()));
    complaints.extend(conformance::check(text(conformance::PAGE).unwrap_or_default(), &files));
    complaints.extend(documents::check(&files, &|path| root.join(path).exists()));
    complaints.sort();
    Ok(complaints)
}

/// Writes smaller numbers into the ratchet where there is less excess by now.
///
/// # Errors
/// In words, if the workspace can't be read or the ratchet not written.
pub(crate) fn tighten(root: &Path) -> Result<(), String> {
    let files = files(root)?;
    let ratchet = files.iter().find(|file| file.path == sources::RATCHET).map(|file| file.text.as_str());
    let rows = sources::tightened(&files, ratchet.unwrap_or_default());
    fs::write(root.join(sources::RATCHET), rows).map_err(|error| format!("{}: {error}", sources::RATCHET))
}

fn files(root: &Path) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    read(root, "", &mut files).map_err(|error| format!("the workspace can't be read: {error}"))?;
    Ok(files)
}

fn read(root: &Path, below: &str, files: &mut Vec<File>) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if entry.file_type()?.is_dir() {
            if name != "target" && !name.starts_with('.') {
                read(root, &path, files)?;
            }
        } else if [".rs", ".md", ".toml", ".txt"].iter().any(|end| name.ends_with(end)) {
            files.push(File { text: fs::read_to_string(entry.path())?, path });
        }
    }
    Ok(())
}

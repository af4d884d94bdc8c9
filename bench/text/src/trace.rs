//! A trace: edits one after the other, and the text they come to.

use std::io::BufReader;
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;

/// Characters that go at a position, and text that comes.
#[derive(Clone, Debug, Deserialize)]
pub struct Edit(pub usize, pub usize, pub String);

pub struct Trace {
    pub edits: Vec<Edit>,
    pub end: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    end_content: String,
    txns: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Transaction {
    patches: Vec<Edit>,
}

/// Reads a compressed trace.
pub fn read(path: &Path) -> Result<Trace, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file: File = serde_json::from_reader(BufReader::new(GzDecoder::new(file)))
        .map_err(|error| format!("{} is no trace: {error}", path.display()))?;
    let edits = file.txns.into_iter().flat_map(|transaction| transaction.patches).collect();
    Ok(Trace { edits, end: file.end_content })
}

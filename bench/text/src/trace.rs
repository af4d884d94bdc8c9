//! A trace: edits one after the other, and the text they come to.

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

pub fn read(path: &str) -> Trace {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let file: File =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path} is no trace: {error}"));
    let edits = file.txns.into_iter().flat_map(|transaction| transaction.patches).collect();
    Trace { edits, end: file.end_content }
}

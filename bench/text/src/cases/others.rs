//! Other programs, each as its own documentation has it, one commit or transaction per edit.

use automerge::transaction::Transactable;
use automerge::{AutoCommit, ObjType, ROOT, ReadDoc};
use yrs::updates::decoder::Decode;
use yrs::{GetString, ReadTxn, Text, Transact};

use super::{Figures, measure};
use crate::trace::{Edit, Trace};

pub fn diamond_types(trace: &Trace) -> Figures {
    use diamond_types::list::ListCRDT;
    use diamond_types::list::encoding::ENCODE_FULL;
    let apply = |trace: &Trace| {
        let mut document = ListCRDT::new();
        let agent = document.get_or_create_agent_id("bench");
        for Edit(at, removed, inserted) in &trace.edits {
            if *removed > 0 {
                document.delete_without_content(agent, *at..*at + *removed);
            }
            if !inserted.is_empty() {
                document.insert(agent, *at, inserted);
            }
        }
        document
    };
    measure(
        trace,
        apply,
        |document| document.branch.content().to_string(),
        |document| document.oplog.encode(ENCODE_FULL),
        |bytes| ListCRDT::load_from(bytes).expect("it was saved"),
        |document| Some(document.branch.content().to_string()),
    )
}

pub fn loro(trace: &Trace) -> Figures {
    use loro::{ExportMode, LoroDoc};
    let apply = |trace: &Trace| {
        let document = LoroDoc::new();
        let text = document.get_text("text");
        for Edit(at, removed, inserted) in &trace.edits {
            if *removed > 0 {
                text.delete(*at, *removed).expect("it is there");
            }
            if !inserted.is_empty() {
                text.insert(*at, inserted).expect("it is inside");
            }
            document.commit();
        }
        document
    };
    measure(
        trace,
        apply,
        |document| document.get_text("text").to_string(),
        |document| document.export(ExportMode::Snapshot).expect("it is exported"),
        |bytes| {
            let document = LoroDoc::new();
            document.import(bytes).expect("it was saved");
            document
        },
        |document| Some(document.get_text("text").to_string()),
    )
}

pub fn yrs(trace: &Trace) -> Figures {
    use yrs::{Doc, OffsetKind, Options, StateVector, Update};
    let new = || Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::default() });
    let apply = |trace: &Trace| {
        let document = new();
        let text = document.get_or_insert_text("text");
        for Edit(at, removed, inserted) in &trace.edits {
            let mut transaction = document.transact_mut();
            if *removed > 0 {
                text.remove_range(&mut transaction, *at as u32, *removed as u32);
            }
            if !inserted.is_empty() {
                text.insert(&mut transaction, *at as u32, inserted);
            }
        }
        document
    };
    let content = |document: &Doc| {
        let text = document.get_or_insert_text("text");
        text.get_string(&document.transact())
    };
    measure(
        trace,
        apply,
        content,
        |document| document.transact().encode_state_as_update_v2(&StateVector::default()),
        |bytes| {
            let document = new();
            let update = Update::decode_v2(bytes).expect("it was saved");
            document.transact_mut().apply_update(update).expect("it fits");
            document
        },
        |document| Some(content(document)),
    )
}

pub fn automerge(trace: &Trace) -> Figures {
    replay_automerge(trace, true)
}

pub fn automerge_once(trace: &Trace) -> Figures {
    replay_automerge(trace, false)
}

fn replay_automerge(trace: &Trace, commit_each: bool) -> Figures {
    let apply = |trace: &Trace| {
        let mut document = AutoCommit::new();
        let text = document.put_object(ROOT, "text", ObjType::Text).expect("it is put");
        for Edit(at, removed, inserted) in &trace.edits {
            document.splice_text(&text, *at, *removed as isize, inserted).expect("it is inside");
            if commit_each {
                document.commit();
            }
        }
        document.commit();
        document
    };
    let content = |document: &AutoCommit| {
        let (_, text) = document.get(ROOT, "text").expect("it reads").expect("it is there");
        document.text(&text).expect("it is a text")
    };
    measure(
        trace,
        apply,
        content,
        AutoCommit::save,
        |bytes| AutoCommit::load(bytes).expect("it was saved"),
        |document| Some(content(document)),
    )
}

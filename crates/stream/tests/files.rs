//! Files as sources and sinks: CSV, JSON Lines and CAR.
use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc;

use motet_algebra::{Budget, Naive, Row};
use motet_fact::{Entity, Fact, Value};
use motet_logic::{Catalog, Compiled, Interface};
use motet_stream::lines::{self, Follow, LinesFile, Log};
use motet_stream::{Progress, Reactor, Source, StreamError, car, csv};
use proptest::prelude::*;

const COPY: &str = "relation P(x: int, v: any). relation Q(x: int, v: any). input P. output Q.
    Q(x: X, v: V) :- P(x: X, v: V).";

fn compiled(text: &str, catalog: &Catalog) -> Compiled {
    let source = motet_logic::Source::new("test".to_owned(), text.to_owned());
    motet_logic::compile(&source, catalog, &Default::default()).unwrap()
}

fn start(compiled: &Compiled) -> Reactor {
    let runtime = Box::new(Naive::new(compiled.program.clone()).unwrap());
    Reactor::new(&compiled.program, runtime, Budget::default())
}

fn copy() -> (Reactor, Interface, Interface) {
    let compiled = compiled(COPY, &Catalog::default());
    (start(&compiled), compiled.inputs[0].clone(), compiled.outputs[0].clone())
}

fn run(reactor: &mut Reactor) -> Vec<String> {
    let mut faults = Vec::new();
    let between = |_: &mut Reactor, turn: &motet_stream::Turn| {
        faults.extend(turn.faults.iter().map(|fault| fault.error.to_string()));
        ControlFlow::Continue(())
    };
    reactor.run(between).unwrap();
    faults
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn float(number: f64) -> Value {
    Value::float(number).unwrap()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(float),
        "\\PC{0,6}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(Value::bytes),
    ];
    prop::collection::vec((any::<i64>(), value).prop_map(|(x, value)| vec![x.into(), value]), 0..12)
}

proptest! {
    /// Through CSV, JSON Lines and back: every value is itself, and files are in value order.
    #[test]
    fn rows_pass_through_files_unchanged(rows in rows()) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let (_, input, output) = copy();
        let mut text = Vec::new();
        csv::write(&mut text, &input.columns, &rows).unwrap();
        fs::write(path("0.csv"), text).unwrap();

        let (mut first, ..) = copy();
        first.attach_source("P", Box::new(csv::source(path("0.csv"), input.clone())), 0).unwrap();
        let lines = LinesFile::new(path("1.jsonl"), output.clone());
        first.attach_sink("lines", "Q", Box::new(lines), 0).unwrap();
        let log = Log::file(path("2.jsonl"), output.clone()).unwrap();
        first.attach_sink("log", "Q", Box::new(log), 0).unwrap();
        prop_assert_eq!(run(&mut first), Vec::<String>::new());

        for name in ["1.jsonl", "2.jsonl"] {
            let (mut second, ..) = copy();
            second.attach_source("P", Box::new(lines::source(path(name), input.clone())), 0).unwrap();
            let sink = csv::CsvFile::new(path("3.csv"), output.clone());
            second.attach_sink("csv", "Q", Box::new(sink), 0).unwrap();
            prop_assert_eq!(run(&mut second), Vec::<String>::new());
            prop_assert_eq!(second.contents("Q").unwrap(), &rows.iter().cloned().collect());
            let mut sorted = Vec::new();
            csv::write(&mut sorted, &output.columns, second.contents("Q").unwrap()).unwrap();
            prop_assert_eq!(read(&path("3.csv")).into_bytes(), sorted);
        }
    }

    #[test]
    fn no_line_makes_the_reader_panic(noise in ".{0,40}", place in 0..40_usize) {
        let (_, input, _) = copy();
        let good = r#"[{"x": 1, "v": {"/": {"bytes": "AP8"}}}, -1, 3]"#;
        let place = (0..=place.min(good.len())).rev().find(|place| good.is_char_boundary(*place)).unwrap();
        let mutated = format!("{}{noise}{}", &good[..place], &good[place..]);
        for text in [noise.as_str(), &mutated] {
            let _either = lines::parse(&input, text.as_bytes());
        }
    }
}

#[test]
fn a_file_is_one_batch_however_large_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("P.csv");
    let text: String = (0..10_000).map(|x| format!("{x},true\n")).collect();
    fs::write(&path, format!("x,v\n{text}")).unwrap();
    let (mut reactor, input, _) = copy();
    reactor.attach_source("P", Box::new(csv::source(&path, input)), 0).unwrap();
    let turns: Vec<Progress> = (0..4).map(|_| reactor.turn().progress).collect();
    assert_eq!(turns, [Progress::Waiting, Progress::Waiting, Progress::Epoch(0), Progress::Finished]);
    assert_eq!(reactor.contents("Q").unwrap().len(), 10_000);
}

#[test]
fn a_file_with_an_error_is_no_batch_and_is_read_from_its_start_when_it_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("P.csv");
    fs::write(&path, "x,v\n1,true\n2,maybe\n").unwrap();
    let (mut reactor, input, _) = copy();
    reactor.attach_source("P", Box::new(csv::source(&path, input)), 0).unwrap();
    let faults = run(&mut reactor);
    assert!(
        faults[0].ends_with(
            "P.csv:3: column `v`: `maybe` is not a value: write true, -3, 1.5, \"text\", 0x00ff or a CID"
        ),
        "{faults:?}"
    );
    assert_eq!(reactor.contents("Q").unwrap().len(), 0);
    fs::write(&path, "x,v\n1,true\n2,false\n").unwrap();
    reactor.reattach_source("P").unwrap();
    assert_eq!(run(&mut reactor), Vec::<String>::new());
    assert_eq!(reactor.contents("Q").unwrap().len(), 2);
}

#[test]
fn a_line_says_what_is_wrong_with_it() {
    let (_, input, _) = copy();
    for (line, want) in [
        (r#"{"x": 1}"#, "column `v` is missing"),
        (r#"{"x": 1.0, "v": 1}"#, "column `x`: it takes int, and 1.0 is float"),
        (r#"{"x": 18446744073709551616, "v": 1}"#, "column `x`: 18446744073709551616 does not fit an int"),
        (r#"{"x": 1, "v": null}"#, "column `v`: null is not a value"),
        (r#"{"x": 1, "v": 1, "w": 1}"#, "there is no column `w`"),
        (r#"{"x": 1, "x": 1, "v": 1}"#, "not a row: the key \"x\" stands twice"),
        (r#"[{"x": 1, "v": 1}]"#, "not a row: invalid length 1"),
        (r#"[{"x": 1, "v": 1}, 2]"#, "not a row: the weight 2 is neither 1 nor -1"),
        (r#"[{"x": 1, "v": 1}, 1, 7, 8]"#, "not a row: trailing characters"),
        (r#"{"x": 1, "v": 1} 2"#, "not a row: trailing characters"),
        ("7", "not a row: invalid type: integer"),
    ] {
        let error = lines::parse(&input, line.as_bytes()).unwrap_err();
        assert!(error.starts_with(want), "{line}: {error}");
    }
    assert_eq!(lines::parse(&input, b" \r\n"), Ok(None));
    let zero = lines::parse(&input, br#"{"x": -0, "v": -0}"#);
    assert_eq!(zero, Ok(Some((vec![0.into(), 0.into()], 1))));
}

#[test]
fn a_file_that_grows_is_followed_line_by_whole_line() {
    let directory = tempfile::tempdir().unwrap();
    let (path, log) = (directory.path().join("in.jsonl"), directory.path().join("out.jsonl"));
    let mut file = fs::File::create(&path).unwrap();
    let (mut reactor, input, output) = copy();
    reactor.attach_source("P", Box::new(Follow::file(&path, input).unwrap()), 9).unwrap();
    reactor.attach_sink("Q", "Q", Box::new(Log::file(&log, output).unwrap()), 0).unwrap();
    let mut write = |text: &str| file.write_all(text.as_bytes()).unwrap();
    write("{\"x\": 1, \"v\": 1}\n{\"x\": 2, ");
    assert_eq!(reactor.turn().progress, Progress::Epoch(0));
    assert_eq!(reactor.turn().progress, Progress::Idle);
    write("\"v\": 2}\nnonsense\n[{\"x\": 1, \"v\": 1}, -1]\n");
    assert_eq!(reactor.turn().progress, Progress::Epoch(1));
    let turn = reactor.turn();
    assert_eq!((turn.progress, turn.faults.len()), (Progress::Waiting, 1));
    assert!(turn.faults[0].error.to_string().contains("in.jsonl:3: not a row"), "{:?}", turn.faults);
    assert_eq!(reactor.turn().progress, Progress::Epoch(2));
    assert_eq!(read(&log), "[{\"x\":1,\"v\":1},1,0]\n[{\"x\":2,\"v\":2},1,1]\n[{\"x\":1,\"v\":1},-1,2]\n");
}

#[test]
fn lines_of_a_channel_end_with_it() {
    let (sender, receiver) = mpsc::channel();
    let (_, input, _) = copy();
    let mut follow = Follow::channel("standard input", input, receiver);
    assert_eq!(follow.poll(0).unwrap(), motet_stream::Poll::nothing());
    sender.send(Ok(b"{\"x\": 1}".to_vec())).unwrap();
    drop(sender);
    let fault = follow.poll(0).unwrap_err().to_string();
    assert_eq!(fault, "standard input:1: column `v` is missing");
    assert_eq!(follow.poll(0).unwrap(), motet_stream::Poll::Last(Default::default()));
}

fn facts() -> Vec<Fact> {
    let entity = Entity::from([7; 16]);
    let first = Fact::new(entity.clone(), "title".into(), "Milk", vec![]).unwrap();
    let second = Fact::new(entity.clone(), "title".into(), "Milk, eggs", vec![first.cid()]).unwrap();
    let third = Fact::new(entity, "price".into(), float(1.5), vec![]).unwrap();
    vec![first, second, third]
}

#[test]
fn facts_of_a_car_file_are_rows_with_their_ids() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("facts.car");
    car::write(&mut fs::File::create(&path).unwrap(), &facts()).unwrap();
    let mut catalog = Catalog::default();
    car::declare(&mut catalog);
    let text = "output Now. Now(v: V, c: C) :- C := fact(attribute: \"title\", value: V), !cause(parent: C).";
    let compiled = compiled(text, &catalog);
    let mut reactor = start(&compiled);
    reactor.attach_source("facts", Box::new(car::source(&path, &compiled.program)), 0).unwrap();
    assert_eq!(run(&mut reactor), Vec::<String>::new());
    let want: Row = vec!["Milk, eggs".into(), facts()[1].cid().into()];
    assert_eq!(reactor.contents("Now").unwrap().iter().collect::<Vec<_>>(), [&want]);
}

#[test]
fn derived_facts_are_written_to_a_car_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.car");
    let text = "relation Out(attribute: text, value: int, entity: bytes). output Out.
                Out(attribute: \"n\", value: 1, entity: 0x0707).";
    let compiled = compiled(text, &Catalog::default());
    let mut reactor = start(&compiled);
    let sink = car::CarFile::new(&path, &compiled.outputs[0]).unwrap();
    reactor.attach_sink("out", "Out", Box::new(sink), 0).unwrap();
    assert_eq!(run(&mut reactor), Vec::<String>::new());
    let mut reader = car::Reader::new("out.car", fs::File::open(&path).unwrap()).unwrap();
    let fact = Fact::new(Entity::new([7, 7].as_slice()).unwrap(), "n".into(), 1, vec![]).unwrap();
    assert_eq!(reader.next_fact().unwrap(), Some(fact));
    assert!(reader.next_fact().unwrap().is_none());
    let (_, _, other) = copy();
    assert!(matches!(car::CarFile::new(&path, &other), Err(StreamError::Malformed { .. })));
}

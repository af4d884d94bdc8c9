//! The order of what happens around an epoch, and that nobody misses anything whoever fails.
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use motet_algebra::{Budget, Naive, Row, Runtime, RuntimeError};
use motet_cluster::Cluster;
use motet_logic::Compiled;
use motet_stream::callback::{sink_fn, source_fn};
use motet_stream::channel;
use motet_stream::source::Once;
use motet_stream::{
    Acknowledgement, AttachError, Batch, Content, Delivery, Mode, Poll, Progress, Reactor, Sink, StreamError,
};
use proptest::prelude::*;

const REACH: &str = "\
relation Edge(x: int, y: int). relation Reach(x: int, y: int).
input Edge. output Reach. output Edge.
Reach(x: X, y: Y) :- Edge(x: X, y: Y).
Reach(x: X, y: Z) :- Edge(x: X, y: Y), Reach(x: Y, y: Z).";

fn compiled(text: &str) -> Compiled {
    let source = motet_logic::Source::new("test".to_owned(), text.to_owned());
    motet_logic::compile(&source, &Default::default(), &Default::default()).unwrap()
}

fn runtimes(text: &str) -> Vec<Reactor> {
    let program = compiled(text).program;
    let all: [Box<dyn Runtime>; 2] =
        [Box::new(Naive::new(program.clone()).unwrap()), Box::new(Cluster::new(program.clone()).unwrap())];
    all.into_iter().map(|runtime| Reactor::new(&program, runtime, Budget::default())).collect()
}

fn reactor(text: &str) -> Reactor {
    runtimes(text).remove(0)
}

fn edge(x: i64, y: i64) -> Row {
    vec![x.into(), y.into()]
}

fn batch(content: Content) -> Batch {
    BTreeMap::from([("Edge".into(), content)])
}

fn inserted(rows: &[(i64, i64)]) -> Batch {
    batch(Content::Deltas(rows.iter().map(|(x, y)| (edge(*x, *y), 1)).collect()))
}

fn other(what: &str) -> StreamError {
    StreamError::Other(what.into())
}

/// A source that gives these answers, one after the other, and says when it is asked.
fn scripted(
    name: &'static str,
    log: &Rc<RefCell<Vec<String>>>,
    answers: Vec<Result<Poll, &'static str>>,
) -> Box<dyn motet_stream::Source> {
    let (log, mut answers) = (log.clone(), answers.into_iter());
    Box::new(source_fn(["Edge".into()], move |epoch| {
        log.borrow_mut().push(format!("{name} for {epoch}"));
        answers.next().unwrap_or(Ok(Poll::Last(Batch::new()))).map_err(other)
    }))
}

/// A sink that answers like this, one answer after the other, and says when it is asked.
struct Scripted {
    name: &'static str,
    mode: Mode,
    log: Rc<RefCell<Vec<String>>>,
    answers: std::vec::IntoIter<Result<Acknowledgement, &'static str>>,
}

impl Scripted {
    fn answer(&mut self, what: String) -> Result<Acknowledgement, StreamError> {
        self.log.borrow_mut().push(format!("{} {what}", self.name));
        self.answers.next().unwrap_or(Ok(Acknowledgement::Complete)).map_err(other)
    }
}

impl Sink for Scripted {
    fn mode(&self) -> Mode {
        self.mode
    }
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<Acknowledgement, StreamError> {
        let rows = match self.mode {
            Mode::Deltas => delivery.deltas().len(),
            Mode::Snapshot => delivery.snapshot().len(),
        };
        self.answer(format!("given {rows} of {} in {}", delivery.relation, delivery.epoch))
    }
    fn poll(&mut self) -> Result<Acknowledgement, StreamError> {
        self.answer("asked".to_owned())
    }
}

fn scripted_sink(
    name: &'static str,
    log: &Rc<RefCell<Vec<String>>>,
    answers: &[Result<Acknowledgement, &'static str>],
) -> Scripted {
    Scripted { name, mode: Mode::Deltas, log: log.clone(), answers: Vec::from(answers).into_iter() }
}

fn told(log: &Rc<RefCell<Vec<String>>>) -> Vec<String> {
    log.take()
}

#[test]
fn an_epoch_waits_for_every_source_and_the_next_for_every_sink() {
    let (log, mut reactor) = (Rc::default(), reactor(REACH));
    let ready = |rows| Ok(Poll::Ready(inserted(rows)));
    let slow = vec![Ok(Poll::Pending), Ok(Poll::Pending), ready(&[(2, 3)]), ready(&[(3, 4)])];
    reactor.attach_source("a", scripted("a", &log, vec![ready(&[(1, 2)]), ready(&[])]), 0).unwrap();
    reactor.attach_source("b", scripted("b", &log, slow), 0).unwrap();
    let answers = [Ok(Acknowledgement::Pending), Ok(Acknowledgement::Pending), Ok(Acknowledgement::Complete)];
    reactor.attach_sink("s", "Reach", Box::new(scripted_sink("s", &log, &answers)), 0).unwrap();
    reactor.attach_sink("t", "Edge", Box::new(scripted_sink("t", &log, &[])), 0).unwrap();

    assert_eq!(reactor.turn().progress, Progress::Waiting);
    assert_eq!(reactor.turn().progress, Progress::Waiting);
    assert_eq!(told(&log), ["a for 0", "b for 0", "b for 0"]);
    assert_eq!(reactor.turn().progress, Progress::Epoch(0));
    assert_eq!(told(&log), ["b for 0", "s given 3 of Reach in 0", "t given 2 of Edge in 0"]);
    assert!(!reactor.has_acknowledged("s").unwrap() && reactor.has_acknowledged("t").unwrap());
    // The sources may be asked already, but the epoch waits for the acknowledgement.
    assert_eq!(reactor.turn().progress, Progress::Waiting);
    assert_eq!(told(&log), ["s asked", "a for 1", "b for 1"]);
    assert_eq!(reactor.turn().progress, Progress::Epoch(1));
    assert_eq!(told(&log), ["s asked", "s given 3 of Reach in 1", "t given 1 of Edge in 1"]);
}

#[test]
fn a_program_runs_until_its_sources_are_exhausted() {
    for mut reactor in runtimes(REACH) {
        let log = Rc::default();
        reactor.attach_source("facts", Box::new(Once::new(inserted(&[(1, 2)]))), 0).unwrap();
        let later = vec![Ok(Poll::nothing()), Ok(Poll::nothing()), Ok(Poll::Last(inserted(&[(2, 3)])))];
        reactor.attach_source("later", scripted("later", &log, later), 0).unwrap();
        let mut seen = Vec::new();
        let between = |_: &mut Reactor, turn: &motet_stream::Turn| {
            seen.push(turn.progress.clone());
            ControlFlow::Continue(())
        };
        reactor.run(between).unwrap();
        let progress = [Progress::Epoch(0), Progress::Idle, Progress::Epoch(1), Progress::Finished];
        assert_eq!(seen, progress);
        let want = [edge(1, 2), edge(1, 3), edge(2, 3)];
        assert_eq!(reactor.contents("Reach").unwrap(), &want.into_iter().collect());
    }
}

#[test]
fn what_a_program_derives_from_nothing_is_its_first_epoch() {
    let mut reactor = reactor("relation One(x: int). output One. One(x: 1).");
    let log = Rc::default();
    let snapshots = Scripted { mode: Mode::Snapshot, ..scripted_sink("s", &log, &[]) };
    reactor.attach_sink("s", "One", Box::new(snapshots), 0).unwrap();
    assert_eq!(reactor.turn().progress, Progress::Epoch(0));
    assert_eq!(reactor.turn().progress, Progress::Finished);
    assert_eq!((told(&log), reactor.epochs()), (vec!["s given 1 of One in 0".to_owned()], 1));
}

#[test]
fn a_snapshot_is_given_once_even_if_it_is_empty_and_then_when_it_changes() {
    let (log, mut reactor) = (Rc::default(), reactor(REACH));
    let answers = vec![Ok(Poll::nothing()), Ok(Poll::Ready(inserted(&[(1, 2)])))];
    reactor.attach_source("a", scripted("a", &Rc::default(), answers), 0).unwrap();
    let snapshots = Scripted { mode: Mode::Snapshot, ..scripted_sink("s", &log, &[]) };
    reactor.attach_sink("s", "Reach", Box::new(snapshots), 0).unwrap();
    reactor.attach_sink("d", "Reach", Box::new(scripted_sink("d", &log, &[])), 0).unwrap();
    reactor.run(|_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(told(&log), ["s given 0 of Reach in 0", "d given 1 of Reach in 1", "s given 1 of Reach in 1"]);
}

#[test]
fn a_row_is_there_until_all_sources_have_taken_it_back() {
    let mut reactor = reactor(REACH);
    let come = batch(Content::Deltas(vec![(edge(1, 2), 1), (edge(1, 2), 1), (edge(8, 8), -1)]));
    let go = batch(Content::Deltas(vec![(edge(1, 2), -1), (edge(5, 5), 1), (edge(5, 5), -1)]));
    let turns = vec![Ok(Poll::Ready(come)), Ok(Poll::Ready(go))];
    reactor.attach_source("a", scripted("a", &Rc::default(), turns), 0).unwrap();
    let snapshots = [&[edge(1, 2), edge(3, 4)][..], &[edge(1, 2)], &[]];
    let snapshots = snapshots.map(|rows| Ok(Poll::Ready(batch(Content::Snapshot(rows.to_vec())))));
    reactor.attach_source("b", scripted("b", &Rc::default(), snapshots.to_vec()), 0).unwrap();
    let mut sizes = Vec::new();
    let between = |reactor: &mut Reactor, turn: &motet_stream::Turn| {
        if let Progress::Epoch(_) = turn.progress {
            sizes.push(reactor.contents("Edge").unwrap().len());
        }
        ControlFlow::Continue(())
    };
    reactor.run(between).unwrap();
    assert_eq!(sizes, [2, 1, 0]);
}

#[test]
fn an_event_holds_for_one_epoch() {
    let mut reactor = reactor(REACH);
    let event = |rows: &[Row]| Ok(Poll::Ready(batch(Content::Events(rows.to_vec()))));
    let turns = vec![event(&[edge(1, 2)]), event(&[edge(1, 2)]), event(&[edge(3, 4)])];
    reactor.attach_source("clicks", scripted("clicks", &Rc::default(), turns), 0).unwrap();
    let mut contents = Vec::new();
    let between = |reactor: &mut Reactor, turn: &motet_stream::Turn| {
        if let Progress::Epoch(_) = turn.progress {
            contents.push(reactor.contents("Edge").unwrap().iter().cloned().collect::<Vec<_>>());
        }
        ControlFlow::Continue(())
    };
    reactor.run(between).unwrap();
    assert_eq!(contents, [vec![edge(1, 2)], vec![edge(1, 2)], vec![edge(3, 4)], vec![]]);
}

#[test]
fn rows_that_do_not_fit_are_the_sources_fault_and_none_of_its_batch_is_taken() {
    let mut reactor = reactor(REACH);
    let bad = batch(Content::Deltas(vec![(edge(1, 2), 1), (vec![1.into()], 1)]));
    let heavy = batch(Content::Deltas(vec![(edge(1, 2), 2)]));
    let stray = BTreeMap::from([("Reach".into(), Content::Snapshot(vec![edge(1, 2)]))]);
    for (name, batch) in [("bad", bad), ("heavy", heavy), ("stray", stray)] {
        let source = scripted("", &Rc::default(), vec![Ok(Poll::Ready(batch))]);
        reactor.attach_source(name, source, 0).unwrap();
    }
    let turn = reactor.turn();
    let faults: Vec<String> = turn.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "source `bad` failed in epoch 0 and is detached: its batch does not fit the program: \
             a row of `Edge` has 1 values; it has 2 columns",
            "source `heavy` failed in epoch 0 and is detached: its batch does not fit the program: \
             a row of `Edge` was given weight +2, which its contents do not allow",
            "source `stray` failed in epoch 0 and is detached: its batch does not fit the program: \
             `Reach` is not an input of this program",
        ]
    );
    assert_eq!((turn.progress, reactor.turn().progress), (Progress::Waiting, Progress::Epoch(0)));
    assert!(reactor.contents("Edge").unwrap().is_empty());
}

#[test]
fn a_source_that_fails_is_asked_again_as_often_as_it_may_fail() {
    let (log, mut reactor) = (Rc::default(), reactor(REACH));
    let answers = vec![
        Err("one"),
        Err("two"),
        Ok(Poll::Ready(inserted(&[(1, 2)]))),
        Err("three"),
        Err("four"),
        Err("five"),
        Ok(Poll::Ready(inserted(&[(2, 3)]))),
    ];
    reactor.attach_source("a", scripted("a", &log, answers), 2).unwrap();
    let mut heard = Vec::new();
    let mut between = |_: &mut Reactor, turn: &motet_stream::Turn| {
        heard.extend(turn.faults.iter().map(|fault| (fault.error.to_string(), fault.detached)));
        ControlFlow::Continue(())
    };
    reactor.run(&mut between).unwrap();
    assert_eq!(reactor.contents("Edge").unwrap().len(), 1);
    assert_eq!(
        reactor.reattach_source("b"),
        Err(AttachError::Unknown(motet_stream::error::End::Source, "b".into()))
    );
    reactor.reattach_source("a").unwrap();
    reactor.run(&mut between).unwrap();
    assert_eq!(reactor.contents("Edge").unwrap().len(), 2);
    let want = [("one", false), ("two", false), ("three", false), ("four", false), ("five", true)];
    assert_eq!(heard, want.map(|(text, detached)| (text.to_owned(), detached)));
}

#[test]
fn an_epoch_that_is_refused_changes_nothing_and_is_made_up_for() {
    for mut reactor in runtimes(REACH) {
        let chain: Vec<(i64, i64)> = (0..20).map(|x| (x, x + 1)).collect();
        reactor.attach_source("a", Box::new(Once::new(inserted(&chain))), 0).unwrap();
        reactor.set_budget(Budget { rows: 30, ..Budget::default() });
        let error = reactor.run(|_, _| ControlFlow::Continue(())).unwrap_err();
        assert!(matches!(error, RuntimeError::OverBudget { .. }), "{error}");
        assert_eq!(reactor.epochs(), 0);
        reactor.set_budget(Budget::default());
        reactor.run(|_, _| ControlFlow::Continue(())).unwrap();
        assert_eq!((reactor.epochs(), reactor.contents("Reach").unwrap().len()), (1, 210));
        reactor.withdraw_source("a").unwrap();
        assert_eq!(reactor.turn().progress, Progress::Epoch(1));
        assert!(reactor.contents("Reach").unwrap().is_empty());
    }
}

#[test]
fn ends_are_attached_to_what_is_there_and_under_names_of_their_own() {
    let mut reactor = reactor(REACH);
    let source = || scripted("", &Rc::default(), vec![]);
    let sink = || Box::new(sink_fn(|_| Ok(())));
    let of = |name: &str| -> Box<dyn motet_stream::Source> {
        Box::new(source_fn([name.into()], |_| Ok(Poll::nothing())))
    };
    reactor.attach_source("a", source(), 0).unwrap();
    reactor.attach_sink("a", "Reach", sink(), 0).unwrap();
    let errors = [
        reactor.attach_source("a", source(), 0).unwrap_err(),
        reactor.attach_source("b", of("Reach"), 0).unwrap_err(),
        reactor.attach_sink("a", "Reach", sink(), 0).unwrap_err(),
        reactor.attach_sink("b", "Other", sink(), 0).unwrap_err(),
    ];
    let texts = errors.map(|error| error.to_string());
    assert_eq!(texts[0], "there is a source `a` already: give it another name, or detach that one");
    assert_eq!(texts[1], "`Reach` is not an input of this program: `input Reach.` makes it one");
    assert_eq!(texts[2], "there is a sink `a` already: give it another name, or detach that one");
    assert_eq!(texts[3], "`Other` is not an output of this program: `output Other.` makes it one");
}

#[test]
fn deliveries_through_a_channel_are_acknowledged_by_whoever_holds_them() {
    let mut reactor = reactor(REACH);
    let (batches, source) = channel::source(["Edge".into()]);
    let (sink, parcels) = channel::sink();
    reactor.attach_source("in", Box::new(source), 0).unwrap();
    reactor.attach_sink("out", "Reach", Box::new(sink), 1).unwrap();
    for edge in [(1, 2), (2, 3)] {
        batches.send(inserted(&[edge])).unwrap();
    }
    assert_eq!(reactor.turn().progress, Progress::Epoch(0));
    assert_eq!(reactor.turn().progress, Progress::Waiting);
    let parcel = parcels.try_recv().unwrap();
    assert_eq!(parcel.deltas(), &BTreeMap::from([(edge(1, 2), 1)]));
    // Thrown away, it has failed, and comes again.
    drop(parcel);
    assert_eq!((reactor.turn().faults.len(), reactor.turn().progress), (1, Progress::Waiting));
    let parcel = parcels.try_recv().unwrap();
    assert_eq!((parcel.epoch, parcel.deltas().len()), (0, 1));
    std::thread::spawn(|| parcel.acknowledge()).join().unwrap();
    assert_eq!(reactor.turn().progress, Progress::Epoch(1));
    drop(batches);
    parcels.try_recv().unwrap().acknowledge();
    assert_eq!(reactor.turn().progress, Progress::Finished);
}

/// A sink of deltas or snapshots that keeps what it is given, and fails when it is told to.
struct Mirror {
    mode: Mode,
    rows: Rc<RefCell<BTreeSet<Row>>>,
    /// How many of its next answers are errors, and whether it takes its time for the others.
    failures: Rc<RefCell<u32>>,
    slow: bool,
    taken: Option<BTreeSet<Row>>,
}

impl Mirror {
    fn try_answer(&mut self) -> Result<(), StreamError> {
        let mut failures = self.failures.borrow_mut();
        if *failures > 0 {
            *failures -= 1;
            return Err(other("told to"));
        }
        Ok(())
    }
}

impl Sink for Mirror {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<Acknowledgement, StreamError> {
        self.try_answer()?;
        let mut rows = self.rows.borrow().clone();
        match self.mode {
            Mode::Snapshot => rows.clone_from(delivery.snapshot()),
            Mode::Deltas => {
                for (row, weight) in delivery.deltas() {
                    let changed = if *weight > 0 { rows.insert(row.clone()) } else { rows.remove(row) };
                    assert!(changed, "a change of {row:?} by {weight} changes what was acknowledged");
                }
            }
        }
        self.taken = Some(rows);
        if self.slow { Ok(Acknowledgement::Pending) } else { self.poll() }
    }

    fn poll(&mut self) -> Result<Acknowledgement, StreamError> {
        self.try_answer()?;
        *self.rows.borrow_mut() = self.taken.take().expect("something was delivered");
        Ok(Acknowledgement::Complete)
    }
}

/// What happens to one sink between two epochs.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    Nothing,
    Fail(u32),
    Detach,
    Reattach,
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        2 => Just(Mishap::Nothing),
        2 => (1..5_u32).prop_map(Mishap::Fail),
        1 => Just(Mishap::Detach),
        2 => Just(Mishap::Reattach),
    ]
}

/// The changes that a source gives next.
type Queue = Rc<RefCell<Vec<(Row, i64)>>>;

/// One epoch: the deltas of two sources, and what befalls four sinks.
type Scene = (Vec<(bool, i64, i64, bool)>, [Mishap; 4]);

fn scene() -> impl Strategy<Value = Scene> {
    let delta = (any::<bool>(), 0..5_i64, 0..5_i64, prop::bool::weighted(0.6));
    (prop::collection::vec(delta, 0..6), [mishap(), mishap(), mishap(), mishap()])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("MOTET_STREAM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300)
    ))]

    /// The stupid twin: two sets of rows, changed one row at a time, and the closure of their union.
    #[test]
    fn sinks_that_fail_end_with_the_relation(scenes in prop::collection::vec(scene(), 1..10)) {
        for mut reactor in runtimes(REACH) {
            play(&mut reactor, &scenes)?;
        }
    }
}

fn play(reactor: &mut Reactor, scenes: &[Scene]) -> Result<(), TestCaseError> {
    let queues: [Queue; 2] = Default::default();
    for (name, queue) in ["a", "b"].into_iter().zip(&queues) {
        let queue = queue.clone();
        let poll = move |_| Ok(Poll::Ready(batch(Content::Deltas(queue.take()))));
        reactor.attach_source(name, Box::new(source_fn(["Edge".into()], poll)), 0).unwrap();
    }
    let kinds =
        [(Mode::Deltas, false), (Mode::Deltas, true), (Mode::Snapshot, false), (Mode::Snapshot, true)];
    let names = ["0", "1", "2", "3"];
    let mut mirrors = Vec::new();
    for (name, (mode, slow)) in names.into_iter().zip(kinds) {
        let (rows, failures) = (Rc::default(), Rc::default());
        mirrors.push((Rc::clone(&rows), Rc::clone(&failures)));
        let mirror = Mirror { mode, slow, rows, failures, taken: None };
        reactor.attach_sink(name, "Reach", Box::new(mirror), 2).unwrap();
    }
    let mut twin: [BTreeSet<Row>; 2] = Default::default();
    for (deltas, mishaps) in scenes {
        for (first, x, y, present) in deltas {
            let (row, place) = (edge(*x, *y), usize::from(*first));
            if *present {
                twin[place].insert(row.clone())
            } else {
                twin[place].remove(&row)
            };
            queues[place].borrow_mut().push((row, if *present { 1 } else { -1 }));
        }
        for ((name, mishap), (_, failures)) in names.iter().zip(mishaps).zip(&mirrors) {
            match mishap {
                Mishap::Nothing => {}
                Mishap::Fail(times) => *failures.borrow_mut() = *times,
                Mishap::Detach => reactor.detach_sink(name).unwrap(),
                Mishap::Reattach => reactor.reattach_sink(name, None).unwrap(),
            }
        }
        until_idle(reactor);
        let want = closure(twin.iter().flatten());
        prop_assert_eq!(reactor.contents("Reach").unwrap(), &want);
        for (name, (rows, _)) in names.iter().zip(&mirrors) {
            if reactor.has_acknowledged(name).unwrap() {
                prop_assert_eq!(&*rows.borrow(), &want, "sink {}", name);
            }
        }
    }
    for (name, (_, failures)) in names.iter().zip(&mirrors) {
        *failures.borrow_mut() = 0;
        reactor.reattach_sink(name, None).unwrap();
    }
    until_idle(reactor);
    for (name, (rows, _)) in names.iter().zip(&mirrors) {
        prop_assert_eq!(&*rows.borrow(), &closure(twin.iter().flatten()), "sink {}", name);
    }
    Ok(())
}

fn until_idle(reactor: &mut Reactor) {
    while reactor.turn().progress != Progress::Idle {}
}

fn closure<'a>(edges: impl Iterator<Item = &'a Row>) -> BTreeSet<Row> {
    let mut reach: BTreeSet<Row> = edges.cloned().collect();
    loop {
        let compose =
            |left: &Row, right: &Row| (left[1] == right[0]).then(|| vec![left[0].clone(), right[1].clone()]);
        let longer: Vec<Row> =
            reach.iter().flat_map(|left| reach.iter().filter_map(|right| compose(left, right))).collect();
        let before = reach.len();
        reach.extend(longer);
        if reach.len() == before {
            return reach;
        }
    }
}

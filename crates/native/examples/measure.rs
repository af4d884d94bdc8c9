//! Measures the engine on the four programs of the benchmarks, against a hand-written bound in the same process.
//!
//! `measure DATA bulk|hand|live PROGRAM [ROUNDS]` with PROGRAM one of `chain2k`, `rnd50k`, `sg`, `andersen`. DATA holds
//! the generated edges as TSV. Times are CPU times of the thread, but of single
//! changes, which are too short for it. `live` deletes edges one by one and puts them back.
#![expect(clippy::print_stdout, reason = "a measurement is for reading")]

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use motet_algebra::text::diagnostic::Source;
use motet_algebra::{Budget, Changes, Counted, optimise};
use motet_fact::Value;
use motet_flow::engine::row::Batch;
use motet_logic::{Catalog, compile};
use motet_native::Native;

/// Rows of the inputs, by name.
type Facts = BTreeMap<&'static str, Vec<(i64, i64)>>;

/// A program, the files of its inputs, and its output.
struct Program {
    text: &'static str,
    inputs: &'static [(&'static str, &'static str)],
    output: &'static str,
    /// The input of which rows are deleted.
    changing: &'static str,
}

const CLOSURE: &str = "input edge. output path.
relation edge(x: int, y: int).
path(x: X, y: Y) :- edge(x: X, y: Y).
path(x: X, y: Z) :- path(x: X, y: Y), edge(x: Y, y: Z).";

const SAME: &str = "input edge. output sg.
relation edge(x: int, y: int).
sg(x: X, y: Y) :- edge(x: P, y: X), edge(x: P, y: Y), X != Y.
sg(x: X, y: Y) :- edge(x: P, y: X), sg(x: P, y: Q), edge(x: Q, y: Y).";

const ANDERSEN: &str = "input addr. input assign. input load. input store. output pt.
relation addr(x: int, y: int). relation assign(x: int, y: int).
relation load(x: int, y: int). relation store(x: int, y: int).
pt(x: X, y: Y) :- addr(x: X, y: Y).
pt(x: Y, y: O) :- assign(x: Y, y: X), pt(x: X, y: O).
pt(x: X, y: O) :- load(x: X, y: P), pt(x: P, y: V), pt(x: V, y: O).
pt(x: V, y: O) :- store(x: P, y: X), pt(x: P, y: V), pt(x: X, y: O).";

fn program(name: &str) -> Program {
    let edge = |file| match file {
        "chain2k" => &[("edge", "chain2k")],
        "sg" => &[("edge", "sg")],
        _ => &[("edge", "rnd50k")],
    };
    match name {
        "andersen" => Program {
            text: ANDERSEN,
            inputs: &[("addr", "addr"), ("assign", "assign"), ("load", "load"), ("store", "store")],
            output: "pt",
            changing: "assign",
        },
        "sg" => Program { text: SAME, inputs: edge("sg"), output: "sg", changing: "edge" },
        "chain2k" => Program { text: CLOSURE, inputs: edge("chain2k"), output: "path", changing: "edge" },
        _ => Program { text: CLOSURE, inputs: edge("rnd50k"), output: "path", changing: "edge" },
    }
}

fn load(data: &Path, program: &Program) -> Result<Facts, Box<dyn Error>> {
    let mut facts = Facts::new();
    for (relation, file) in program.inputs {
        let text = fs::read_to_string(data.join(format!("{file}.tsv")))?;
        let row = |line: &str| {
            let (x, y) = line.split_once('\t')?;
            Some((x.parse().ok()?, y.parse().ok()?))
        };
        facts.insert(relation, text.lines().filter_map(row).collect());
    }
    Ok(facts)
}

/// The CPU time of this thread in seconds.
fn cpu() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn memory(what: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

fn start(program: &Program, facts: &Facts) -> Result<Native, Box<dyn Error>> {
    let source = Source::new("program", program.text);
    let compiled = compile(&source, &Catalog::default(), &BTreeMap::new()).map_err(|all| all.to_string())?;
    let some = |rows: &[(i64, i64)]| {
        rows.iter().map(|(x, y)| (vec![Value::Int(*x), Value::Int(*y)], 1)).collect::<Vec<_>>()
    };
    let counted: Changes = facts.iter().map(|(name, rows)| ((*name).into(), some(rows))).collect();
    let plan = optimise(&compiled.program, &Counted::of(&compiled.program, &counted));
    drop(counted);
    Ok(Native::new(plan)?)
}

fn batch(native: &Native, relation: &str, rows: &[(i64, i64)]) -> Batch {
    let mut batch = native.batch(relation);
    for (x, y) in rows {
        batch.push(&[native.intern(&Value::Int(*x)), native.intern(&Value::Int(*y))]);
    }
    batch
}

fn fill(native: &mut Native, facts: &Facts) -> Result<f64, Box<dyn Error>> {
    let inputs: Vec<_> =
        facts.iter().map(|(name, rows)| (*name, batch(native, name, rows), native.batch(name))).collect();
    let before = cpu();
    native.advance(&inputs, Budget::UNLIMITED)?;
    Ok(cpu() - before)
}

fn bulk(program: &Program, facts: &Facts) -> Result<(), Box<dyn Error>> {
    let idle = memory("VmHWM:");
    let before = cpu();
    let mut native = start(program, facts)?;
    let planned = cpu() - before;
    let spent = fill(&mut native, facts)?;
    let (count, touched) = (native.count(program.output), native.touched());
    let bytes: usize = native.bytes().values().sum();
    println!(
        "native: {spent:.3} s, {count} rows, {touched} touched, \
         {:.1} MiB held ({:.2} B a row), peak {:.1} MiB \
         (before {idle:.1}), planned in {:.1} ms",
        bytes as f64 / 1048576.0,
        bytes as f64 / count as f64,
        memory("VmHWM:"),
        planned * 1e3
    );
    Ok(())
}

/// The bound: rows packed into 64 bits, one set, semi-naive.
fn hand(name: &str, facts: &Facts) {
    let before = cpu();
    let count = match name {
        "chain2k" | "rnd50k" => closure_by_hand(&facts["edge"]),
        "sg" => same_by_hand(&facts["edge"]),
        _ => andersen_by_hand(facts),
    };
    println!("by hand: {:.3} s, {count} rows, peak {:.1} MiB", cpu() - before, memory("VmHWM:"));
}

#[derive(Clone, Copy, Default)]
struct Multiply(u64);

impl std::hash::Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, number: u64) {
        self.0 = (number ^ (number >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 29;
    }
}

type Set = std::collections::HashSet<u64, std::hash::BuildHasherDefault<Multiply>>;
type Index = HashMap<u32, Vec<u32>>;

fn pack(x: u32, y: u32) -> u64 {
    u64::from(x) << 32 | u64::from(y)
}

fn index(rows: &[(i64, i64)], swap: bool) -> Vec<Vec<u32>> {
    let mut index: Vec<Vec<u32>> = Vec::new();
    for (x, y) in rows {
        let (key, value) = if swap { (*y as u32, *x as u32) } else { (*x as u32, *y as u32) };
        if index.len() <= key as usize {
            index.resize(key as usize + 1, Vec::new());
        }
        index[key as usize].push(value);
    }
    index
}

fn of(index: &[Vec<u32>], key: u32) -> &[u32] {
    index.get(key as usize).map_or(&[], Vec::as_slice)
}

fn closure_by_hand(edges: &[(i64, i64)]) -> usize {
    let next = index(edges, false);
    let mut all = Set::default();
    let mut delta: Vec<u64> = edges.iter().map(|(x, y)| pack(*x as u32, *y as u32)).collect();
    all.extend(&delta);
    while !delta.is_empty() {
        let mut new = Vec::new();
        for row in &delta {
            for z in of(&next, *row as u32) {
                let row = row & !0xffff_ffff | u64::from(*z);
                if all.insert(row) {
                    new.push(row);
                }
            }
        }
        delta = new;
    }
    black_box(&all).len()
}

fn same_by_hand(edges: &[(i64, i64)]) -> usize {
    let children = index(edges, false);
    let mut all = Set::default();
    let mut delta = Vec::new();
    for siblings in &children {
        for x in siblings {
            for y in siblings.iter().filter(|y| *y != x) {
                if all.insert(pack(*x, *y)) {
                    delta.push(pack(*x, *y));
                }
            }
        }
    }
    while !delta.is_empty() {
        let mut new = Vec::new();
        for row in &delta {
            for x in of(&children, (row >> 32) as u32) {
                for y in of(&children, *row as u32) {
                    if all.insert(pack(*x, *y)) {
                        new.push(pack(*x, *y));
                    }
                }
            }
        }
        delta = new;
    }
    black_box(&all).len()
}

fn andersen_by_hand(facts: &Facts) -> usize {
    let assign = index(&facts["assign"], true);
    let load = index(&facts["load"], true);
    let (store, stored) = (index(&facts["store"], false), index(&facts["store"], true));
    let mut all = Set::default();
    let mut objects = Index::new();
    let mut pointers = Index::new();
    let mut delta: Vec<u64> = Vec::new();
    for (x, y) in &facts["addr"] {
        if all.insert(pack(*x as u32, *y as u32)) {
            delta.push(pack(*x as u32, *y as u32));
        }
    }
    while !delta.is_empty() {
        for row in &delta {
            objects.entry((row >> 32) as u32).or_default().push(*row as u32);
            pointers.entry(*row as u32).or_default().push((row >> 32) as u32);
        }
        let mut new = Vec::new();
        let none = Vec::new();
        let mut add = |x: u32, y: u32, all: &mut Set| {
            if all.insert(pack(x, y)) {
                new.push(pack(x, y));
            }
        };
        for row in &delta {
            let (v, o) = ((row >> 32) as u32, *row as u32);
            of(&assign, v).iter().for_each(|y| add(*y, o, &mut all));
            // load(x, p), pt(p, v'), pt(v', o'): as the first, then as the second.
            for x in of(&load, v) {
                for deep in objects.get(&o).unwrap_or(&none) {
                    add(*x, *deep, &mut all);
                }
            }
            for p in pointers.get(&v).unwrap_or(&none) {
                of(&load, *p).iter().for_each(|x| add(*x, o, &mut all));
            }
            // store(p, x), pt(p, v'), pt(x, o').
            for x in of(&store, v) {
                for deep in objects.get(x).unwrap_or(&none) {
                    add(o, *deep, &mut all);
                }
            }
            for p in of(&stored, v) {
                for target in objects.get(p).unwrap_or(&none) {
                    add(*target, o, &mut all);
                }
            }
        }
        delta = new;
    }
    black_box(&all).len()
}

fn percentiles(times: &mut [f64]) -> String {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize] * 1e6;
    format!("p50 {:.1} p95 {:.1} max {:.1} us", at(0.5), at(0.95), at(1.0))
}

fn live(program: &Program, facts: &Facts, rounds: usize) -> Result<(), Box<dyn Error>> {
    let mut native = start(program, facts)?;
    fill(&mut native, facts)?;
    let rows = &facts[program.changing];
    let step = rows.len() / rounds;
    let (mut delete, mut insert) = (Vec::new(), Vec::new());
    let (mut touched, mut net_all) = (Vec::new(), 0);
    for round in 0..=rounds {
        let row = &rows[round % rounds * step..=round % rounds * step];
        let (one, none) = (batch(&native, program.changing, row), native.batch(program.changing));
        let (looked, count, before) = (native.touched(), native.count(program.output), Instant::now());
        native.advance(&[(program.changing, none.clone(), one.clone())], Budget::UNLIMITED)?;
        let (spent, net) = (before.elapsed().as_secs_f64(), count - native.count(program.output));
        let looked = native.touched() - looked;
        let before = Instant::now();
        native.advance(&[(program.changing, one, none)], Budget::UNLIMITED)?;
        let inserted = before.elapsed().as_secs_f64();
        if round == 0 {
            println!("first deletion {:.3} s, insertion {:.1} us", spent, inserted * 1e6);
            continue;
        }
        delete.push(spent);
        insert.push(inserted);
        net_all += net;
        touched.push(looked as f64 / (net.max(1)) as f64);
    }
    touched.sort_by(f64::total_cmp);
    let mut line = String::new();
    write!(line, "delete {}; insert {}; ", percentiles(&mut delete), percentiles(&mut insert))?;
    write!(
        line,
        "touched a net row: p50 {:.1} p95 {:.1}; ",
        touched[touched.len() / 2],
        touched[touched.len() * 19 / 20]
    )?;
    let bytes: usize = native.bytes().values().sum();
    let held = bytes as f64 / 1048576.0;
    println!("{line}net {net_all}; held {held:.1} MiB, resident {:.1} MiB", memory("VmRSS:"));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, data, mode, name, rest @ ..] = &arguments[..] else {
        return Err("measure DATA bulk|hand|live PROGRAM [ROUNDS]".into());
    };
    let of = program(name);
    let facts = load(Path::new(data), &of)?;
    let rounds = rest.first().map_or(Ok(100), |rounds| rounds.parse())?;
    match mode.as_str() {
        "hand" => hand(name, &facts),
        "live" => live(&of, &facts, rounds)?,
        _ => bulk(&of, &facts)?,
    }
    Ok(())
}

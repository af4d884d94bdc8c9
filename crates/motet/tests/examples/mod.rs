//! Reads the blocks of docs/language.md, and runs those that are examples on every runtime.

use std::collections::BTreeMap;

use motet::Parameters;
use motet::fact::{Attribute, Entity, Fact, Value};
use motet_algebra::{Budget, Changes, Clocked, Naive, RelationName, Row, Runtime};
use motet_cluster::Cluster;
use motet_logic::{Catalog, Compiled, Diagnostics, Interface, Source, parse_value};

/// A fenced block of the page.
pub(crate) struct Block {
    /// The line of its fence, from 1.
    pub(crate) line: usize,
    /// What stands after the fence.
    pub(crate) tag: String,
    pub(crate) text: String,
}

/// The blocks of the page.
pub(crate) fn page() -> Vec<Block> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/language.md");
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in std::fs::read_to_string(path).unwrap().lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(tag), None) => {
                open = Some(Block { line: index + 1, tag: tag.to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of the page does not end");
    blocks
}

/// A row as an example writes it: `Name(column: value, …)`.
type Written = (String, BTreeMap<String, Value>);

/// How often each row of each input is there.
type Counts = BTreeMap<(RelationName, Row), i64>;

/// What an example says of an epoch.
#[derive(Default)]
struct Epoch {
    changes: Vec<(Written, i64)>,
    rows: Vec<Written>,
}

/// A program, what it reads and what it gives.
pub(crate) struct Example {
    line: usize,
    program: String,
    parameters: Parameters,
    epochs: Vec<Epoch>,
    diagnostics: Vec<String>,
    catalog: Catalog,
}

impl Example {
    /// The examples among the blocks of a page. They may use its modules.
    pub(crate) fn of(blocks: &[Block]) -> Vec<Example> {
        let mut catalog = motet::relations::catalog();
        for block in blocks {
            if let Some(name) = block.tag.strip_prefix("pomo module=") {
                catalog.add_module(name, Source::new(name, &*block.text));
            }
        }
        let programs = blocks.iter().filter(|block| block.tag == "pomo");
        programs.map(|block| Example::read(block.line, &block.text, catalog.clone())).collect()
    }

    /// One example.
    pub(crate) fn written(text: &str) -> Example {
        Example::read(0, text, motet::relations::catalog())
    }

    fn read(line: usize, text: &str, catalog: Catalog) -> Example {
        let mut example = Example {
            line,
            catalog,
            program: text.to_owned(),
            parameters: Parameters::new(),
            epochs: vec![Epoch::default()],
            diagnostics: Vec::new(),
        };
        let lines = text.lines().map(str::trim_start);
        lines.filter_map(|line| line.strip_prefix('%')).for_each(|line| example.hear(line));
        example
    }

    /// Takes in a comment of the example, if it is meant for the test.
    fn hear(&mut self, line: &str) {
        let rest = line.get(1..).unwrap_or_default().trim();
        let epoch = self.epochs.last_mut().unwrap();
        match line.chars().next() {
            Some('+') => epoch.changes.push((row(rest), 1)),
            Some('-') => epoch.changes.push((row(rest), -1)),
            Some('=') => epoch.rows.push(row(rest)),
            Some('@') => self.epochs.push(Epoch::default()),
            Some('!') => self.diagnostics.push(rest.to_owned()),
            Some('$') => {
                let (name, value) = rest.split_once(" = ").unwrap();
                self.parameters.insert(name.to_owned(), parse_value(value).unwrap());
            }
            _ => {}
        }
    }

    /// Compiles and runs it, and compares.
    pub(crate) fn hold(&self) {
        let source = Source::new(format!("docs/language.md, block at line {},", self.line), &*self.program);
        let compiled = match motet_logic::compile(&source, &self.catalog, &self.parameters) {
            Ok(compiled) => compiled,
            Err(diagnostics) => return self.compare_diagnostics(&diagnostics),
        };
        self.compare_diagnostics(&compiled.warnings);
        let naive = Clocked::new(compiled.program.clone(), Naive::new).unwrap();
        let cluster = Clocked::new(compiled.program.clone(), Cluster::new).unwrap();
        let runtimes: [(&str, Box<dyn Runtime>); 2] =
            [("naive", Box::new(naive)), ("cluster", Box::new(cluster))];
        for (name, mut runtime) in runtimes {
            self.run(name, &mut *runtime, &compiled);
        }
    }

    fn run(&self, name: &str, runtime: &mut dyn Runtime, compiled: &Compiled) {
        let mut contents: BTreeMap<RelationName, Vec<Row>> = BTreeMap::new();
        let mut counts = Counts::new();
        for (number, epoch) in self.epochs.iter().enumerate() {
            let changes = self.changes(number, epoch, compiled, &mut counts);
            for (relation, changes) in runtime.step(&changes, Budget::default()).unwrap() {
                let rows = contents.entry(relation).or_default();
                for (row, weight) in changes {
                    if weight > 0 { rows.push(row) } else { rows.retain(|one| *one != row) }
                }
            }
            let shown = shown(compiled, &contents);
            let text: String = shown.iter().map(|row| format!("%= {}\n", write(row))).collect();
            let place = format!("docs/language.md, block at line {}, epoch {number}, {name}", self.line);
            assert!(shown == epoch.rows, "{place}: the program gives\n{text}");
        }
    }

    /// What goes in at an epoch: at the first also the facts of inputs that stand in the program. A base relation may
    /// be read with several choices of control columns, and a row may then come from several places.
    fn changes(&self, number: usize, epoch: &Epoch, compiled: &Compiled, counts: &mut Counts) -> Changes {
        let mut changes = Changes::new();
        for (name, rows) in compiled.facts.iter().filter(|_| number == 0) {
            changes.entry(name.clone()).or_default().extend(rows.iter().map(|row| (row.clone(), 1)));
        }
        for ((name, values), weight) in &epoch.changes {
            let inputs = compiled.inputs.iter().chain(&compiled.bases);
            let inputs: Vec<_> = inputs.filter(|input| input.base() == name).collect();
            assert!(!inputs.is_empty(), "block at line {}: {name} is not read", self.line);
            for input in inputs {
                let row = stored(input, values);
                let count = counts.entry((input.name.clone(), row.clone())).or_default();
                let before = *count > 0;
                *count += weight;
                if input.event || before != (*count > 0) {
                    changes.entry(input.name.clone()).or_default().push((row, *weight));
                }
            }
        }
        changes
    }

    /// Each line `%!` names the code of a diagnostic and words that it has; there are no others.
    fn compare_diagnostics(&self, found: &Diagnostics) {
        let texts: Vec<String> =
            found.iter().map(|one| format!("{} {} {}", one.code, one.message, one.label)).collect();
        let fits = |(said, text): (&String, &String)| {
            let (code, words) = said.split_once(' ').unwrap_or((said, ""));
            text.starts_with(code) && text.contains(words)
        };
        let all = self.diagnostics.len() == texts.len() && self.diagnostics.iter().zip(&texts).all(fits);
        assert!(all, "{found}\nsaid in the block at line {}: {:?}", self.line, self.diagnostics);
    }
}

/// Reads a row by compiling it as a program of one fact.
fn row(text: &str) -> Written {
    let name = text.split('(').next().unwrap();
    // A head has no control columns, but it may have names like theirs.
    let text = ["$party", "$item", "$source"].iter().fold(text.to_owned(), |text, control| {
        text.replace(&format!("{control}:"), &format!("`{control}`:"))
    });
    let source = Source::new("row of an example", format!("output {name}. {text}."));
    let compiled = motet_logic::compile(&source, &Catalog::default(), &Parameters::new());
    let compiled = compiled.unwrap_or_else(|errors| panic!("{text}: {errors}"));
    let mut naive = Naive::new(compiled.program.clone()).unwrap();
    let changes = naive.step(&Changes::new(), Budget::default()).unwrap();
    let (_, rows) = changes.into_iter().next().unwrap();
    (compiled.outputs[0].name.to_string(), named(&compiled.outputs[0], &rows[0].0))
}

fn named(relation: &Interface, row: &[Value]) -> BTreeMap<String, Value> {
    relation.columns.iter().map(|(name, _)| name.to_string()).zip(row.iter().cloned()).collect()
}

/// A row as a runtime takes it: in the order of the columns, with the fact's CID if it has one.
fn stored(input: &Interface, values: &BTreeMap<String, Value>) -> Row {
    let value =
        |name: &str| values.get(name).unwrap_or_else(|| panic!("{} lacks {name}", input.name)).clone();
    let mut row: Row = input.columns.iter().map(|(name, _)| value(name)).collect();
    if input.has_cid {
        let entity = Entity::new(row[0].as_bytes().unwrap()).unwrap();
        let attribute = Attribute::new(row[1].clone()).unwrap();
        row.push(Fact::new(entity, attribute, row[2].clone(), Vec::new()).unwrap().cid().into());
    }
    row
}

/// The rows of all outputs as they are shown, then what is forbidden.
fn shown(compiled: &Compiled, contents: &BTreeMap<RelationName, Vec<Row>>) -> Vec<Written> {
    let rows = |relation: &Interface| contents.get(&relation.name).cloned().unwrap_or_default();
    let mut shown = Vec::new();
    for output in &compiled.outputs {
        let rows = output.arrange(rows(output));
        shown.extend(rows.iter().map(|row| (output.name.to_string(), named(output, row))));
    }
    for violation in &compiled.violations {
        let rows = violation.relation.arrange(rows(&violation.relation));
        shown.extend(rows.iter().map(|row| ("forbid".to_owned(), named(&violation.relation, row))));
    }
    shown
}

fn write((name, values): &Written) -> String {
    let cells: Vec<String> = values.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{name}({})", cells.join(", "))
}

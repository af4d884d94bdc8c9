//! The facts that the programs run over, made anew in each process from recorded seeds.
//!
//! Seeds and shapes are fixed, so every engine, machine and year sees the same rows. The first four sets have the sizes
//! on which the field's engines were measured before this harness was written.

use std::collections::BTreeSet;

use crate::random::Random;

/// A row of numbers.
pub type Row = Vec<u32>;

/// The name of an input and its rows.
pub type Table = (&'static str, Vec<Row>);

/// A chain of 2,000 nodes with 200 forward skips: 2,198 edges, and a closure of 1,999,000.
pub fn chain() -> Vec<Table> {
    let (nodes, mut random) = (2_000, Random::new(1));
    let mut edges: BTreeSet<Row> = (0..nodes - 1).map(|node| vec![node, node + 1]).collect();
    for _ in 0..200 {
        let from = random.below(nodes - 25);
        edges.insert(vec![from, (nodes - 1).min(from + random.between(2, 20))]);
    }
    vec![("Edge", edges.into_iter().collect())]
}

/// 50,000 forward edges in blocks of 400 out of 20,000 nodes; a closure of 2,565,362.
pub fn blocks() -> Vec<Table> {
    let (nodes, block, mut random) = (20_000, 400, Random::new(2));
    let mut edges = BTreeSet::new();
    while edges.len() < 50_000 {
        let from = random.below(nodes);
        let last = (from / block * block + block - 1).min(from + 40);
        if from < last {
            edges.insert(vec![from, random.between(from + 1, last)]);
        }
    }
    vec![("Edge", edges.into_iter().collect())]
}

/// A random graph: each of the pairs of 5,000 nodes is an edge with a chance of one in a thousand.
pub fn uniform() -> Vec<Table> {
    let (nodes, mut random) = (5_000, Random::new(6));
    let mut edges = Vec::new();
    for from in 0..nodes {
        edges.extend((0..nodes).filter(|_| random.below(1_000) == 0).map(|to| vec![from, to]));
    }
    vec![("Edge", edges)]
}

/// Parents and children on ten levels: 3,290 edges, and 1,811,809 pairs of one generation.
pub fn generations() -> Vec<Table> {
    let mut random = Random::new(4);
    let (mut level, mut next) = (vec![0, 1, 2], 3);
    let mut edges = BTreeSet::new();
    for _ in 0..9 {
        // 1.85 times as wide as the level above, and two more.
        let width = u32::try_from(level.len() * 185 / 100).expect("narrow") + 2;
        let below: Vec<u32> = (next..next + width).collect();
        next += width;
        for child in &below {
            for _ in 0..random.choice(&[1, 1, 2]) {
                edges.insert(vec![random.choice(&level), *child]);
            }
        }
        level = below;
    }
    vec![("Parent", edges.into_iter().collect())]
}

/// Pointers of a made-up program: 3,000 addresses taken, 6,963 assignments, 450 loads, 450 stores; what variables
/// point to is 229,057 pairs.
pub fn pointers() -> Vec<Table> {
    let (variables, objects, mut random) = (12_000, 4_000, Random::new(5));
    let variable = |random: &mut Random| {
        let skewed = f64::from(variables) * random.unit().powf(1.3);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is below 12,000")]
        let drawn = skewed as u32;
        drawn.min(variables - 1)
    };
    let mut pairs = |count: usize, second: &dyn Fn(&mut Random, u32) -> u32| {
        let drawn: BTreeSet<Row> = (0..count)
            .map(|_| {
                let first = variable(&mut random);
                vec![first, second(&mut random, first)]
            })
            .collect();
        drawn.into_iter().collect()
    };
    vec![
        ("Addr", pairs(3_000, &|random, _| random.below(objects))),
        ("Assign", pairs(7_000, &|random, first| (variables - 1).min(first + random.between(1, 60)))),
        ("Load", pairs(450, &|random, _| variable(random))),
        ("Store", pairs(450, &|random, _| variable(random))),
    ]
}

/// Assignments and dereferences of a made-up C program, for the alias analysis.
pub fn aliases() -> Vec<Table> {
    let (variables, mut random) = (20_000, Random::new(7));
    let mut pairs = |count: usize, reach: u32| {
        let mut rows = BTreeSet::new();
        while rows.len() < count {
            let first = random.below(variables - reach);
            rows.insert(vec![first, first + random.between(1, reach)]);
        }
        rows.into_iter().collect()
    };
    vec![("Assign", pairs(10_000, 50)), ("Dereference", pairs(4_000, 30))]
}

/// The history of a text that three people write: insertions as (id, after, height), and deletions. Most letters
/// follow the one before; one in fifty jumps somewhere, and one in ten is deleted again.
pub fn text() -> Vec<Table> {
    let (letters, mut random) = (20_000, Random::new(8));
    let (mut inserted, mut deleted) = (Vec::new(), BTreeSet::new());
    let mut last = [0_u32; 3];
    let mut height = vec![0_u32];
    for letter in 1..=letters {
        let who = random.below(3) as usize;
        let after = if random.below(50) == 0 { random.below(letter) } else { last[who] };
        height.push(height[after as usize] + 1);
        inserted.push(vec![letter, after, height[letter as usize]]);
        last[who] = letter;
        if random.below(10) == 0 {
            deleted.insert(vec![letter]);
        }
    }
    vec![("Ins", inserted), ("Tomb", deleted.into_iter().collect())]
}

/// Friendships of 4,000 people: 60,000 pairs, a few people with many.
pub fn friends() -> Vec<Table> {
    let (people, mut random) = (4_000, Random::new(9));
    let person = |random: &mut Random| {
        let skewed = f64::from(people) * random.unit().powf(2.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is below 4,000")]
        let drawn = skewed as u32;
        drawn.min(people - 1)
    };
    let mut edges = BTreeSet::new();
    while edges.len() < 60_000 {
        let (one, other) = (person(&mut random), person(&mut random));
        if one != other {
            edges.insert(vec![one.min(other), one.max(other)]);
        }
    }
    vec![("Edge", edges.into_iter().collect())]
}

/// Orders of customers in regions, with lines that name products in categories: so many lines.
pub fn orders(lines: u32) -> Vec<Table> {
    let mut random = Random::new(10);
    let (orders, customers, products) = (lines / 4 + 1, lines / 40 + 1, 1_000);
    vec![
        ("Customer", (0..customers).map(|customer| vec![customer, random.below(20)]).collect()),
        ("Order", (0..orders).map(|order| vec![order, random.below(customers)]).collect()),
        ("Product", (0..products).map(|product| vec![product, random.below(50)]).collect()),
        (
            "Line",
            (0..lines)
                .map(|line| vec![line, random.below(orders), random.below(products), random.between(1, 9)])
                .collect(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(tables: &[Table]) -> Vec<usize> {
        tables.iter().map(|(_, rows)| rows.len()).collect()
    }

    #[test]
    fn the_data_is_the_same_everywhere() {
        assert_eq!(sizes(&chain()), [2_198]);
        assert_eq!(sizes(&blocks()), [50_000]);
        assert_eq!(sizes(&generations()), [3_290]);
        assert_eq!(sizes(&pointers()), [3_000, 6_963, 450, 450]);
    }
}

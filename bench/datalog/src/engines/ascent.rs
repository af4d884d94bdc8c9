//! Ascent: Datalog as a macro, compiled into the binary; one thread.

use ascent::ascent;

use crate::data::Table;
use crate::engine::{Bulk, Engine, Timer, pairs, table};
use crate::workload::Workload;

/// Ascent without its parallel half.
pub struct Ascent;

impl Engine for Ascent {
    fn name(&self) -> &'static str {
        "Ascent"
    }

    fn bulk(&self, workload: Workload) -> Option<Bulk> {
        let data = workload.data();
        Some(match workload {
            Workload::Chain | Workload::Blocks | Workload::Uniform => closure(&data),
            Workload::Generations => generations(&data),
            Workload::Pointers => pointers(&data),
            Workload::Aliases => aliases(&data),
            Workload::Text => text(&data),
            Workload::Triangles => triangles(&data),
            Workload::Sales => sales(&data),
        })
    }
}

ascent! {
    struct Closure;
    relation edge(u32, u32);
    relation path(u32, u32);
    path(x, y) <-- edge(x, y);
    path(x, z) <-- path(x, y), edge(y, z);
}

fn closure(data: &[Table]) -> Bulk {
    let mut program = Closure { edge: pairs(table(data, "Edge")), ..Closure::default() };
    let timer = Timer::start();
    program.run();
    timer.bulk(program.path.len())
}

ascent! {
    struct Generations;
    relation parent(u32, u32);
    relation same(u32, u32);
    same(x, y) <-- parent(p, x), parent(p, y), if x != y;
    same(x, y) <-- same(a, b), parent(a, x), parent(b, y);
}

fn generations(data: &[Table]) -> Bulk {
    let mut program = Generations { parent: pairs(table(data, "Parent")), ..Generations::default() };
    let timer = Timer::start();
    program.run();
    timer.bulk(program.same.len())
}

ascent! {
    struct Pointers;
    relation addr(u32, u32);
    relation assign(u32, u32);
    relation load(u32, u32);
    relation store(u32, u32);
    relation points(u32, u32);
    points(x, o) <-- addr(x, o);
    points(x, o) <-- assign(x, y), points(y, o);
    points(x, o) <-- load(x, y), points(y, v), points(v, o);
    points(v, o) <-- store(x, y), points(x, v), points(y, o);
}

fn pointers(data: &[Table]) -> Bulk {
    let rows = |name| pairs(table(data, name));
    let mut program = Pointers {
        addr: rows("Addr"),
        assign: rows("Assign"),
        load: rows("Load"),
        store: rows("Store"),
        ..Pointers::default()
    };
    let timer = Timer::start();
    program.run();
    timer.bulk(program.points.len())
}

ascent! {
    struct Aliases;
    relation assign(u32, u32);
    relation dereference(u32, u32);
    relation flow(u32, u32);
    relation memory(u32, u32);
    relation value(u32, u32);
    flow(x, y) <-- assign(x, y);
    flow(x, y) <-- assign(x, z), memory(z, y);
    flow(x, y) <-- flow(x, z), flow(z, y);
    flow(x, x), flow(y, y), memory(x, x), memory(y, y) <-- assign(x, y);
    memory(x, w) <-- dereference(y, x), value(y, z), dereference(z, w);
    value(x, y) <-- flow(z, x), flow(z, y);
    value(x, y) <-- flow(z, x), memory(z, w), flow(w, y);
}

fn aliases(data: &[Table]) -> Bulk {
    let rows = |name| pairs(table(data, name));
    let mut program =
        Aliases { assign: rows("Assign"), dereference: rows("Dereference"), ..Aliases::default() };
    let timer = Timer::start();
    program.run();
    timer.bulk(program.flow.len() + program.memory.len() + program.value.len())
}

ascent! {
    struct Text;
    relation ins(u32, u32, u32);
    relation tomb(u32);
    relation before(u32, u32, u32);
    relation not_first(u32);
    relation first_child(u32, u32);
    relation between(u32, u32);
    relation next_sibling(u32, u32);
    relation has_next(u32);
    relation has_child(u32);
    relation up(u32, u32);
    relation next(u32, u32);
    relation skip(u32, u32);
    relation visible(u32, u32);
    before(p, x, y) <-- ins(x, p, hx), ins(y, p, hy), if hx > hy;
    before(p, x, y) <-- ins(x, p, h), ins(y, p, h), if x > y;
    not_first(y) <-- before(_, _, y);
    first_child(p, c) <-- ins(c, p, _), !not_first(c);
    between(x, z) <-- before(_, x, y), before(_, y, z);
    next_sibling(x, y) <-- before(_, x, y), !between(x, y);
    has_next(x) <-- next_sibling(x, _);
    has_child(p) <-- ins(_, p, _);
    up(x, y) <-- next_sibling(x, y);
    up(x, y) <-- ins(x, p, _), !has_next(x), up(p, y);
    next(x, y) <-- first_child(x, y);
    next(x, y) <-- ins(x, _, _), !has_child(x), up(x, y);
    skip(x, y) <-- next(x, y);
    skip(x, z) <-- next(x, y), tomb(y), skip(y, z);
    visible(x, y) <-- skip(x, y), !tomb(x), !tomb(y);
}

fn text(data: &[Table]) -> Bulk {
    let ins = table(data, "Ins").iter().map(|row| (row[0], row[1], row[2])).collect();
    let tomb = table(data, "Tomb").iter().map(|row| (row[0],)).collect();
    let mut program = Text { ins, tomb, ..Text::default() };
    let timer = Timer::start();
    program.run();
    timer.bulk(program.visible.len())
}

ascent! {
    struct Triangles;
    relation edge(u32, u32);
    relation triangle(u32, u32, u32);
    relation triangles(usize);
    triangle(x, y, z) <-- edge(x, y), edge(y, z), edge(x, z);
    triangles(n) <-- agg n = ascent::aggregators::count() in triangle(_, _, _);
}

fn triangles(data: &[Table]) -> Bulk {
    let mut program = Triangles { edge: pairs(table(data, "Edge")), ..Triangles::default() };
    let timer = Timer::start();
    program.run();
    timer.bulk(program.triangles.len())
}

ascent! {
    struct Sales;
    relation customer(u32, u32);
    relation order(u32, u32);
    relation product(u32, u32);
    relation line(u32, u32, u32, u32);
    relation sold(u32, u32, u32, u32);
    relation bought(u32, u32);
    relation sales(u32, u32, u32);
    sold(l, r, c, q) <-- line(l, o, p, q), product(p, c), order(o, u), customer(u, r);
    bought(r, c) <-- sold(_, r, c, _);
    sales(r, c, t) <-- bought(r, c), agg t = ascent::aggregators::sum(q) in sold(_, r, c, q);
}

fn sales(data: &[Table]) -> Bulk {
    let rows = |name| pairs(table(data, name));
    let line = table(data, "Line").iter().map(|row| (row[0], row[1], row[2], row[3])).collect();
    let mut program = Sales {
        customer: rows("Customer"),
        order: rows("Order"),
        product: rows("Product"),
        line,
        ..Sales::default()
    };
    let timer = Timer::start();
    program.run();
    timer.bulk(program.sales.len())
}

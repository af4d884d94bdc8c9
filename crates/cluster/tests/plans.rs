//! Plans as text: the examples of docs/algebra.md, and the worked examples of the published PomoRA specification, as
//! corrected by RA-18. Each test names its section; the headings say 2.1.x, and the links to them 2.3.x.

use crate::plan_examples::hold;

#[test]
fn the_examples_of_the_page_give_what_it_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/algebra.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut blocks = page.split("\n```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("ra\n"));
    let examples: Vec<&str> = blocks.by_ref().collect();
    assert!(examples.len() > 10, "only {} examples were found", examples.len());
    for (number, example) in examples.into_iter().enumerate() {
        hold(&format!("docs/algebra.md, example {}", number + 1), example);
    }
}

#[test]
#[should_panic(expected = "//= r")]
fn an_example_that_says_too_little_fails() {
    hold("short", "relation r(x: int) output;\nr :- constant([x], (1), (2));\n//= r(1)\n");
}

#[test]
#[should_panic(expected = "R030")]
fn an_example_with_a_mistake_fails() {
    hold("wrong", "relation r(x: int) output;\nr :- s;\n");
}

/// 2.1.1
#[test]
fn projection() {
    hold(
        "projection",
        r#"
relation authors(id: int, name: text) output;
authors :- projection([id, name], constant([id, name, born],
    (1, "Kōbō Abe", 1924),
    (2, "Jorge Luis Borges", 1899),
    (3, "Italo Calvino", 1923),
    (4, "Umberto Eco", 1932)));
//= authors(1, "Kōbō Abe")
//= authors(2, "Jorge Luis Borges")
//= authors(3, "Italo Calvino")
//= authors(4, "Umberto Eco")
"#,
    );
}

/// 2.1.2
#[test]
fn rename() {
    hold(
        "rename",
        "
relation renamed(bar: int) output;
renamed :- rename([foo: bar], constant([foo], (1), (2), (3)));
//= renamed(1)
//= renamed(2)
//= renamed(3)
",
    );
    hold(
        "a name that is there",
        "
relation renamed(bar: int) output;
renamed :- rename([foo: bar], constant([foo, bar], (1, 2)));
//! R032 two columns of the name `bar`
",
    );
}

/// 2.1.3
#[test]
fn selection() {
    hold(
        "selection",
        r#"
relation directors(id: int, name: text, born: int) output;
directors :- selection(born < 1960, constant([id, name, born],
    (1, "Béla Tarr", 1955),
    (2, "Andrei Tarkovsky", 1932),
    (3, "Greta Gerwig", 1983),
    (4, "Věra Chytilová", 1929),
    (5, "Darren Aronofsky", 1969)));
//= directors(1, "Béla Tarr", 1955)
//= directors(2, "Andrei Tarkovsky", 1932)
//= directors(4, "Věra Chytilová", 1929)
"#,
    );
}

/// 2.1.4: of three relations, and as unions of two.
#[test]
fn union() {
    for of in ["rgb, cmy, roygbiv", "rgb, union(cmy, roygbiv)", "union(rgb, cmy), roygbiv"] {
        let program = format!(
            r#"
relation rgb(name: text);
relation cmy(name: text);
relation roygbiv(name: text);
relation all(name: text) output;
rgb :- constant([name], ("Red"), ("Green"), ("Blue"));
cmy :- constant([name], ("Cyan"), ("Magenta"), ("Yellow"));
roygbiv :- constant([name],
  ("Red"), ("Orange"), ("Yellow"), ("Green"), ("Blue"), ("Indigo"), ("Violet"));
all :- union({of});
//= all("Red")
//= all("Green")
//= all("Blue")
//= all("Cyan")
//= all("Magenta")
//= all("Yellow")
//= all("Orange")
//= all("Indigo")
//= all("Violet")
"#
        );
        hold("union", &program);
    }
}

/// 2.1.5
#[test]
fn difference() {
    hold(
        "difference",
        r#"
relation rest(name: text) output;
rest :- difference(
  constant([name], ("Red"), ("Orange"), ("Yellow"), ("Green"), ("Blue"), ("Indigo"), ("Violet")),
  constant([name], ("Red"), ("Green"), ("Blue")));
//= rest("Orange")
//= rest("Yellow")
//= rest("Indigo")
//= rest("Violet")
"#,
    );
}

/// 2.1.6
#[test]
fn cartesian_product() {
    let (ranks, suits) = (["ace", "king", "queen", "jack"], ["spades", "hearts", "diamonds", "clubs"]);
    let rows = |names: [&str; 4]| names.map(|name| format!("(\"{name}\")")).join(", ");
    let pairs =
        ranks.iter().flat_map(|rank| suits.map(|suit| format!("//= cards(\"{rank}\", \"{suit}\")\n")));
    let program = format!(
        "relation cards(rank: text, suit: text) output;\n\
         cards :- cartesian_product(constant([rank], {}), constant([suit], {}));\n{}",
        rows(ranks),
        rows(suits),
        pairs.collect::<String>(),
    );
    hold("cartesian product", &program);
}

/// 2.1.7; the last row is Haskell's.
#[test]
fn natural_join() {
    hold(
        "natural join",
        r#"
relation languages(language_name: text, language_appeared: int);
relation web_frameworks(framework_name: text, language_name: text);
relation both(language_name: text, language_appeared: int, framework_name: text) output;
languages :- constant([language_name, language_appeared],
    ("Ruby", 1995), ("Prolog", 1972), ("Haskell", 1990));
web_frameworks :- constant([framework_name, language_name],
    ("Rails", "Ruby"), ("Sinatra", "Ruby"), ("weblog", "Prolog"), ("Yesod", "Haskell"));
both :- natural_join(languages, web_frameworks);
//= both("Ruby", 1995, "Rails")
//= both("Ruby", 1995, "Sinatra")
//= both("Prolog", 1972, "weblog")
//= both("Haskell", 1990, "Yesod")
"#,
    );
}

/// 2.1.8; with both relations, and the budget's own column in the result.
#[test]
fn theta_join() {
    hold(
        "theta join",
        "
relation budgets(budget_category_id: int, budget: int);
relation products(product_id: int, product_category_id: int, cost: int);
relation affordable(
  product_id: int, product_category_id: int, budget_category_id: int, budget: int, cost: int
)
  output;
budgets :- constant([budget_category_id, budget], (1, 100), (2, 50));
products :- constant([product_id, product_category_id, cost],
    (1, 1, 80), (2, 1, 90), (3, 1, 120), (4, 2, 60), (5, 2, 20));
affordable :- theta_join(budget_category_id = product_category_id and cost < budget, budgets, products);
//= affordable(1, 1, 1, 100, 80)
//= affordable(2, 1, 1, 100, 90)
//= affordable(5, 2, 2, 50, 20)
",
    );
}

/// 2.1.9; with both relations.
#[test]
fn equijoin() {
    hold(
        "equijoin",
        r#"
relation categories(category_id: int, category_name: text);
relation products(product_id: int, product_category_id: int, product_name: text);
relation both(
  category_id: int, category_name: text, product_id: int, product_category_id: int, product_name: text
) output;
categories :- constant([category_id, category_name], (1, "Electronics"), (2, "Books"));
products :- constant([product_id, product_category_id, product_name],
    (1, 1, "Tele-Multiplay 6000"), (2, 1, "Xerox 8"),
    (3, 2, "Foucault's Pendulum"), (4, 2, "100 Years of Solitude"));
both :- equijoin([category_id = product_category_id], categories, products);
//= both(1, "Electronics", 1, 1, "Tele-Multiplay 6000")
//= both(1, "Electronics", 2, 1, "Xerox 8")
//= both(2, "Books", 3, 2, "Foucault's Pendulum")
//= both(2, "Books", 4, 2, "100 Years of Solitude")
"#,
    );
}

/// 2.1.10 and 2.1.11, which has no example of its own: the same relations.
#[test]
fn semijoin_and_antijoin() {
    hold(
        "semijoin",
        r#"
relation users(user_id: int, user_name: text);
relation admins(user_id: int);
relation chosen(user_id: int, user_name: text) output;
relation others(user_id: int, user_name: text) output;
users :- constant([user_id, user_name], (1, "Alice"), (2, "Bob"), (3, "Mallory"));
admins :- constant([user_id], (1), (2));
chosen :- semijoin(users, admins);
others :- antijoin(users, admins);
//= chosen(1, "Alice")
//= chosen(2, "Bob")
//= others(3, "Mallory")
"#,
    );
}

/// 2.1.12
#[test]
fn group_by() {
    hold(
        "group by",
        "
relation products(product_id: int, product_category_id: int, product_stock: int);
relation stock(product_category_id: int, total_stock: int) output;
products :- constant([product_id, product_category_id, product_stock],
    (1, 1, 3), (2, 1, 5), (3, 2, 12), (4, 2, 7));
stock :- group_by([product_category_id], total_stock, sum(product_stock), products);
//= stock(1, 8)
//= stock(2, 19)
",
    );
}

/// 2.2
#[test]
fn propositional_formula() {
    hold(
        "formula",
        r#"
relation users(id: int, region: text, accepted_cookies: bool);
relation chosen(id: int, region: text, accepted_cookies: bool) output;
users :- constant([id, region, accepted_cookies],
    (1, "Europe", true), (2, "Europe", false), (3, "Southeast Asia", true), (4, "South America", false));
chosen :- selection((not (region = "Europe")) or (accepted_cookies = true), users);
//= chosen(1, "Europe", true)
//= chosen(3, "Southeast Asia", true)
//= chosen(4, "South America", false)
"#,
    );
}

/// What the specification demands of operands, and of disjunct columns among others (RA-9, RA-10, RA-11, RA-14).
#[test]
fn operands_that_do_not_fit_are_refused() {
    let declared =
        "relation a(x: int, y: int) input;\nrelation b(y: int, z: int) input;\nrelation r(x: int) output;\n";
    for (expression, problem) in [
        ("cartesian_product(a, b)", "R039 both inputs of cartesian_product have the columns (y)"),
        ("theta_join(x < z, a, b)", "R039 both inputs of theta_join have the columns (y)"),
        ("equijoin([x = z], a, b)", "R039 both inputs of equijoin have the columns (y)"),
        ("equijoin([z = x], a, rename([y: w], b))", "R031 there is no column `z` among (x, y)"),
        ("theta_join(q < z, a, rename([y: w], b))", "R031 there is no column `q` among (x, y, w, z)"),
        ("union(a, b)", "R033 a union wants the columns (x, y) and gets (y, z)"),
        ("difference(a, b)", "R033 a difference wants the columns (x, y) and gets (y, z)"),
    ] {
        hold(expression, &format!("{declared}r :- {expression};\n//! {problem}\n"));
    }
}

#!/usr/bin/env python3
"""Asks clingo (Potassco, https://potassco.org) what random programs of PomoLogic come to, and compares.

usage: python3 crates/cluster/tests/oracles/ask_clingo.py [--cases N] [--seed FIRST] [--keep DIR]

Run from the root of the repository. Makes a Python environment with clingo in target/clingo-venv on the first run. The
test `clingo::programs_can_be_given_to_clingo` writes the programs, translated by the test itself and not by the product,
and what our runtimes say; this script solves them and compares all rows of all relations. Exits 1 if one differs.
"""
import argparse, collections, os, pathlib, subprocess, sys, tempfile

VERSION = "5.8.3"


def into_environment():
    """Starts over inside of an environment that has clingo, and makes it first if it is not there."""
    home = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "clingo-venv"
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"clingo=={VERSION}"], check=True)
    if pathlib.Path(sys.prefix).resolve() != home.resolve():
        os.execv(python, [python, *sys.argv])


def write(directory, cases, seed):
    command = ["cargo", "test", "--release", "-p", "motet-cluster", "--test", "oracles", "--"]
    command += ["--quiet", "--exact", "clingo::programs_can_be_given_to_clingo"]
    environment = {"MOTET_CLINGO": str(directory), "MOTET_CASES": str(cases), "MOTET_SEED": str(seed)}
    subprocess.run(command, check=True, env={**os.environ, **environment})


def solve(path):
    """The atoms shown of the one answer set."""
    import clingo

    control = clingo.Control(["--warn=none"])
    control.load(str(path))
    control.ground([("base", [])])
    models = []
    control.solve(on_model=lambda model: models.append({str(one) for one in model.symbols(shown=True)}))
    if len(models) != 1:
        sys.exit(f"{path}: {len(models)} answer sets, and a stratified program has one")
    return models[0]


def compare(directory):
    """How many programs agree, how many rows and relations with rows there were, and what differs."""
    seen, wrong = collections.Counter(), []
    for path in sorted(directory.glob("*.lp"), key=lambda path: int(path.stem)):
        ours = set(path.with_suffix(".rows").read_text().split("\n")) - {""}
        theirs = solve(path)
        seen["programs"] += 1
        seen["rows"] += len(theirs)
        seen["relations"] += sum(line.startswith("#show") for line in path.read_text().splitlines())
        seen["relations with rows"] += len({row.split("(")[0] for row in theirs})
        if ours != theirs:
            wrong.append((path, sorted(ours - theirs), sorted(theirs - ours)))
    return seen, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=pathlib.Path, help="a directory for the programs")
    arguments = parser.parse_args()
    into_environment()
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.keep or pathlib.Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        write(directory.resolve(), arguments.cases, arguments.seed)
        seen, wrong = compare(directory)
        for path, ours, theirs in wrong:
            print(f"{path.name}: only ours {ours}, only clingo's {theirs}\n{path.read_text()}")
    print(", ".join(f"{count} {what}" for what, count in seen.items()), f"{len(wrong)} differ", sep=": ")
    sys.exit(1 if wrong or not seen["programs"] else 0)


if __name__ == "__main__":
    main()

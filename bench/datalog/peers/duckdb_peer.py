"""DuckDB on one workload: python3 duckdb_peer.py WORKLOAD DATA. Prints its figures as JSON, or null if it cannot.

One thread. What is measured begins when the facts are in its tables. `pip install duckdb` brings it.
"""

import json
import os
import resource
import sys
import time

CLOSURE = """
WITH RECURSIVE path(x, y) AS (
  SELECT a, b FROM Edge UNION SELECT path.x, Edge.b FROM path JOIN Edge ON path.y = Edge.a
) SELECT count(*) FROM path"""
GENERATIONS = """
WITH RECURSIVE same(x, y) AS (
  SELECT p.b, q.b FROM Parent p JOIN Parent q ON p.a = q.a WHERE p.b <> q.b
  UNION SELECT p.b, q.b FROM same JOIN Parent p ON same.x = p.a JOIN Parent q ON same.y = q.a
) SELECT count(*) FROM same"""
TRIANGLES = """
SELECT count(*) FROM (SELECT count(*) FROM Edge p JOIN Edge q ON p.b = q.a JOIN Edge r ON r.a = p.a AND r.b = q.b)"""
SALES = """
SELECT count(*) FROM (
  SELECT Customer.b, Product.b, sum(Line.d) FROM Line
  JOIN Product ON Line.c = Product.a JOIN "Order" ON Line.b = "Order".a JOIN Customer ON "Order".b = Customer.a
  GROUP BY Customer.b, Product.b)"""
PROGRAMS = {
    "chain2k": CLOSURE,
    "rnd50k": CLOSURE,
    "gnp5k": CLOSURE,
    "generations": GENERATIONS,
    "triangles": TRIANGLES,
    "sales": SALES,
}


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    workload, directory = sys.argv[1:]
    program = PROGRAMS.get(workload)
    try:
        import duckdb
    except ImportError:
        print("DuckDB is not installed: pip install duckdb", file=sys.stderr)
        program = None
    if program is None:
        print("null")
        return
    database = duckdb.connect(config={"threads": 1})
    for file in sorted(os.listdir(directory)):
        name = file.removesuffix(".csv")
        with open(os.path.join(directory, file)) as rows:
            columns = "abcd"[: rows.readline().count(",") + 1]
        types = ", ".join(f"'{column}': 'INTEGER'" for column in columns)
        path = os.path.join(directory, file)
        database.execute(f"CREATE TABLE \"{name}\" AS SELECT * FROM read_csv('{path}', header=false, columns={{{types}}})")
    idle, start = peak(), time.process_time()
    (rows,) = database.execute(program).fetchone()
    seconds = time.process_time() - start
    print(json.dumps({"seconds": seconds, "planning": None, "rows": rows, "peak": peak(), "idle": idle}))


main()

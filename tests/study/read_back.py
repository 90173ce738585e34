"""Reads a study's merged tables and checks them against each other and against datapackage.json.

    read_back.py READER FOLDER CSV_FOLDER

READER is csv (the standard library), pandas, polars or duckdb. Exit code 77: a package is missing.
"""

import csv
import json
import math
import pathlib
import sys


def missing(package):
    print(f"the package {package} is not installed")
    sys.exit(77)


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}


def read_pandas(path):
    try:
        import pandas
        import pyarrow.parquet
    except ImportError as error:
        missing(error.name)
    table = pandas.read_parquet(path)
    about = json.loads(pyarrow.parquet.read_schema(path).metadata[b"frugality"])
    assert [c["name"] for c in about["columns"]] == list(table.columns), path
    assert all(c["description"] for c in about["columns"]), path
    return {name: [None if pandas.isna(x) else x for x in table[name]] for name in table.columns}


def read_polars(path):
    try:
        import polars
    except ImportError as error:
        missing(error.name)
    return polars.read_parquet(path).to_dict(as_series=False)


def read_duckdb(path):
    try:
        import duckdb
    except ImportError as error:
        missing(error.name)
    cursor = duckdb.sql(f"select * from read_parquet('{path}')")
    names, rows = cursor.columns, cursor.fetchall()
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def number(cell):
    return float("nan") if cell in (None, "") else float(cell)


def main():
    reader, folder, csv_folder = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    read = {"csv": read_csv, "pandas": read_pandas, "polars": read_polars, "duckdb": read_duckdb}[reader]
    where = csv_folder if reader == "csv" else folder
    package = json.loads((where / "datapackage.json").read_text(encoding="utf-8"))
    tables = {}
    for resource in package["resources"]:
        table = read(str(where / resource["path"]))
        names = [field["name"] for field in resource["schema"]["fields"]]
        assert list(table) == names, (resource["name"], list(table), names)
        assert all(len(cells) == resource["rows"] for cells in table.values()), resource["name"]
        assert all(f["description"] and "unit" in f for f in resource["schema"]["fields"])
        tables[resource["name"]] = table
    runs, series = tables["runs"], tables["series"]
    count = len(runs["run_id"])
    assert [int(x) for x in runs["run_id"]] == list(range(count)), runs["run_id"]
    assert set(runs["status"]) == {"ok"} and count == package["runs"]
    # The outcome is the last month of its series, to single precision.
    last = {}
    for run_id, month, gap in zip(series["run_id"], series["month"], series["efficiency_gap"]):
        if month == "2023-12":
            last[int(run_id)] = number(gap)
    for run_id, gap in zip(runs["run_id"], runs["gap"]):
        assert math.isclose(last[int(run_id)], number(gap), rel_tol=1e-5), run_id
    # Effects are mean differences of twins.
    gaps = [number(x) for x in runs["gap"]]
    differences = [
        gaps[at] - gaps[int(float(twin))]
        for at, twin in enumerate(runs["counterfactual_run_id"])
        if twin not in (None, "") and runs["guidance"][at] == "on"
    ]
    effects = tables["effects"]
    found = [
        number(effects["effect"][at])
        for at in range(len(effects["effect"]))
        if effects["outcome"][at] == "gap" and effects["guidance"][at] == "on"
    ]
    assert len(found) == 1 and math.isclose(found[0], sum(differences) / len(differences), rel_tol=1e-9)
    # Panels and events belong to runs.
    for name in ("firms", "chips", "events"):
        assert {int(x) for x in tables[name]["run_id"]} == set(range(count)), name
    print(f"read back by {reader}: {count} runs, {len(series['run_id'])} rows of series")


main()

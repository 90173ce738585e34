#!/usr/bin/env python3
"""Plots series of one or more output folders, with what really happened on top.

Examples:
  python python/plot.py outputs/reference-s1-0123abcd third_market_share compute_share_owned
  python python/plot.py outputs/reference-* outputs/no-controls-* capability_lag_months --save lag.png
  python python/plot.py DIR firms:bytedance:kappa firms:openai:kappa chips:nvidia-h100:price_usd --log
  python python/plot.py DIR --list

A folder holds manifest.json; whatever else is named is a metric: `name` of series.csv, or
`table:id:name` of firms, vendors, countries, chips or lines. Metrics and units: docs/outputs.md.
Observations of the metric are drawn as bars from low to high over their months (hollow: `fit`, filled: `test`),
where they compare with a month's value: last, mean, largest and smallest as they are, a sum as the mean month, an annual
rate as a twelfth of it; ratios of two metrics and dates of first use are left out.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

TABLES = ("series", "firms", "vendors", "countries", "chips", "lines")


def years(month):
    """2022-07 as 2022.5."""
    year, part = month.split("-")[:2]
    return int(year) + (int(part) - 1) / 12


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def split(metric):
    """table, id, name of `name` or `table:id:name`."""
    parts = metric.split(":")
    if len(parts) == 1:
        return "series", "", parts[0]
    if len(parts) == 3 and parts[0] in TABLES[1:]:
        return tuple(parts)
    sys.exit(f"error: `{metric}` is neither a metric nor table:id:metric, table one of {' '.join(TABLES[1:])}")


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def course(folder, metric):
    """Months (in years) and values of a metric of a run."""
    table, member, name = split(metric)
    columns = [column["name"] for column in manifest(folder)["tables"][table]]
    if name not in columns:
        sys.exit(f"error: {table}.csv has no column `{name}`; it has {' '.join(columns)}")
    points = [
        (years(row["month"]), float(row[name]))
        for row in rows_of(folder / f"{table}.csv")
        if row[name] != "" and row.get("id", "") == member
    ]
    if not points:
        print(f"note: {metric} has no value in {folder}", file=sys.stderr)
    return [x for x, _ in points], [y for _, y in points]


def unit(folder, metric):
    table, _, name = split(metric)
    return next((c["unit"] for c in manifest(folder)["tables"][table] if c["name"] == name), "")


def observed(path, metric):
    """(from, to, low, value, high, role) of each observation of a metric, in the metric's own unit a month."""
    table, member, name = split(metric)
    found = []
    for row in rows_of(path):
        same = row["table"] == table and row["metric"] == name and row["members"].split() == member.split()
        if not same or row["aggregate"] == "first_above_zero":
            continue
        start, end = years(row["from"]), years(row["to"]) + 1 / 12
        scale = 1 / (float(row["factor"]) or 1)
        if row["aggregate"] == "sum":
            scale /= max(1, round((end - start) * 12))
        elif row["aggregate"] == "annual":
            scale /= 12
        elif row["aggregate"] == "ratio" and row.get("per"):
            continue  # a ratio of two metrics is not a value of this one
        low, value, high = (scale * float(row[key]) for key in ("low", "value", "high"))
        if row["aggregate"] == "last":
            start = end - 1 / 12
        found.append((start, end, low, value, high, row["role"]))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", metavar="DIR|METRIC", help="output folders and metrics, in any order")
    parser.add_argument("--observations", type=Path, default=Path("worlds/reference/observations.csv"), metavar="CSV",
                        help="what really happened (default: %(default)s; left out if there is no such file)")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write a picture (png, pdf, svg) instead of a window")
    parser.add_argument("--log", action="store_true", help="logarithmic axis")
    parser.add_argument("--list", action="store_true", help="list the metrics of the first folder and stop")
    args = parser.parse_args()

    folders = [Path(word) for word in args.what if (Path(word) / "manifest.json").is_file()]
    metrics = [word for word in args.what if not (Path(word) / "manifest.json").is_file()]
    if not folders:
        parser.error("name at least one output folder (it holds manifest.json)")
    if args.list:
        for table, columns in manifest(folders[0])["tables"].items():
            print(table, *(f"  {c['name']} [{c['unit']}]" for c in columns if c["name"] not in ("month", "id")), sep="\n")
        return
    if not metrics:
        parser.error("name at least one metric; --list shows them")
    data = {(folder, metric): course(folder, metric) for folder in folders for metric in metrics}
    try:
        if args.save:
            import matplotlib
            matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        sys.exit("error: plotting needs matplotlib, which is not installed: python -m pip install matplotlib")

    figure, axes = plt.subplots(len(metrics), 1, figsize=(9, 3 * len(metrics)), squeeze=False, sharex=True)
    for axis, metric in zip(axes[:, 0], metrics):
        for folder in folders:
            about = manifest(folder)
            axis.plot(*data[folder, metric], label=f"{about['world']['id']}, seed {about['seed']}")
        if args.observations.is_file():
            for start, end, low, value, high, role in observed(args.observations, metric):
                face = "none" if role == "fit" else "0.6"
                axis.fill_between([start, end], low, high, facecolor=face, edgecolor="0.3", alpha=0.6)
                axis.plot([start, end], [value, value], color="black", linewidth=1)
        axis.set_ylabel(unit(folders[0], metric))
        axis.set_title(metric, loc="left", fontsize=10)
        if args.log:
            axis.set_yscale("log")
    axes[0, 0].legend(fontsize=8)
    figure.tight_layout()
    if args.save:
        figure.savefig(args.save, dpi=150)
        print(args.save)
    else:
        plt.show()


if __name__ == "__main__":
    main()

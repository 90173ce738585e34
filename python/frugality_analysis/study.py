"""Reads a study's folder: runs, twins, uncertainties and outcomes, joined by their numbers and never by their places."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from . import Refused, need


@dataclass
class Study:
    """A finished study."""

    folder: Path
    plan: dict
    hash: str
    units: dict
    runs: "object"  # pandas.DataFrame: runs that went well
    design: "object" = None  # what each scenario says, failed ones included
    notes: list = field(default_factory=list)

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    @property
    def uncertainties(self):
        return [u["name"] for u in self.plan["uncertainties"]]

    @property
    def levers(self):
        return [u["name"] for u in self.plan["levers"]]

    @property
    def outcomes(self):
        return [o["name"] for o in self.plan["record"]["outcomes"]]

    def domain(self, name):
        """What an uncertainty may be: a dict with low, high, distribution, or a list of levels."""
        return next(u["values"] for u in self.plan["uncertainties"] if u["name"] == name)

    def table(self, name):
        return read_table(self.folder, name)


def read_table(folder, name):
    """A merged table of a study, Parquet or CSV."""
    pandas = need("pandas")
    parquet, csv = folder / "merged" / f"{name}.parquet", folder / "merged" / f"{name}.csv"
    if parquet.is_file():
        need("pyarrow")
        return pandas.read_parquet(parquet)
    if csv.is_file():
        return pandas.read_csv(csv, keep_default_na=True)
    raise Refused(f"{folder} has no table `{name}`: is the study finished? frugality study status {folder}")


def load(folder):
    """A study from its folder. Failed runs are left out and counted."""
    folder = Path(folder)
    if not (folder / "plan.json").is_file():
        raise Refused(f"{folder} is no folder of a study: it has no plan.json")
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    if not (folder / "datapackage.json").is_file():
        raise Refused(f"{folder} is not finished: frugality study resume {folder}")
    package = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    fields = next(r for r in package["resources"] if r["name"] == "runs")["schema"]["fields"]
    study = Study(folder, plan["plan"], plan["hash"], {f["name"]: f.get("unit", "") for f in fields}, None)
    study.runs = check_runs(study, read_table(folder, "runs"))
    return study


def check_runs(study, runs):
    """Runs that went well, by their number."""
    missing = [c for c in ["run_id", "arm", "draw", "scenario", "status"] if c not in runs]
    if missing:
        raise Refused(f"the table of runs has no column {', '.join(missing)}")
    if runs["run_id"].duplicated().any():
        twice = runs.loc[runs["run_id"].duplicated(), "run_id"].iloc[0]
        raise Refused(f"the table of runs has run {twice} twice")
    study.design = runs[["scenario", *(u for u in study.uncertainties if u in runs)]].drop_duplicates("scenario")
    failed = int((runs["status"] != "ok").sum())
    if failed:
        study.note(f"{failed} of {len(runs)} runs failed and are left out")
    runs = runs[runs["status"] == "ok"].set_index("run_id").sort_index()
    if runs.empty:
        raise Refused("no run of the study went well")
    return runs


def policies(study):
    """(arm, {lever: level}) of every policy that has a counterfactual, in the order of the plan."""
    treated = study.runs[study.runs["counterfactual_run_id"].notna()]
    keys = ["arm", *study.levers]
    return [
        (row[0], dict(zip(study.levers, row[1:])))
        for row in treated[keys].drop_duplicates().itertuples(index=False, name=None)
    ]


def select(frame, levers):
    for name, value in levers.items():
        column = frame[name]
        try:
            wanted = float(value)
            frame = frame[column.astype(float) == wanted]
        except (TypeError, ValueError):
            frame = frame[column.astype(str) == str(value)]
    return frame


def choose(study, arm=None, where=None):
    """The one policy that is asked about."""
    found = policies(study)
    if not found:
        raise Refused("the study has no counterfactual, so it has no effects")
    kept = [p for p in found if arm in (None, p[0])]
    for name, value in (where or {}).items():
        if name not in study.levers:
            raise Refused(f"the study has no lever `{name}`; it has {', '.join(study.levers) or 'none'}")
        kept = [p for p in kept if same(p[1][name], value)]
    if len(kept) == 1:
        return kept[0]
    listed = "; ".join(" ".join([a, *(f"{k}={v}" for k, v in levers.items())]) for a, levers in found[:20])
    how = "none fits" if not kept else f"{len(kept)} fit"
    raise Refused(f"say which policy with --arm NAME and --where LEVER=LEVEL: {how} of {listed}")


def same(a, b):
    try:
        return float(a) == float(b)
    except (TypeError, ValueError):
        return str(a) == str(b)


def effects(study, outcome, policy):
    """The paired effect of a policy on an outcome by scenario: mean over its seeds of treated less twin.

    Twins are found by `counterfactual_run_id`. Draws without a value under both are dropped and counted.
    Returns (series by scenario, number of draws dropped).
    """
    numpy = need("numpy")
    runs = study.runs
    if outcome not in study.outcomes or outcome not in runs:
        raise Refused(f"the study has no outcome `{outcome}`; it has {', '.join(study.outcomes)}")
    arm, levers = policy
    mine = select(runs[runs["arm"] == arm], levers)
    twin = runs[outcome].reindex(mine["counterfactual_run_id"].astype("int64").to_numpy()).to_numpy(float)
    value = mine[outcome].to_numpy(float)
    if numpy.isinf(value).any() or numpy.isinf(twin).any():
        raise Refused(f"{outcome} has infinite values")
    effect = mine[["scenario"]].assign(effect=value - twin)
    planned = int(study.plan["scenarios"]) * int(study.plan["replicates"])
    effect = effect.dropna()
    return effect.groupby("scenario")["effect"].mean().sort_index(), planned - len(effect)


def refuse_constant(name, values):
    """Nothing can be said of an outcome that is the same everywhere."""
    numpy = need("numpy")
    values = numpy.asarray(values, float)
    if len(values) < 2:
        raise Refused(f"{name} has a value in {len(values)} scenarios: nothing to compare")
    spread = values.max() - values.min()
    if spread <= 1e-12 * max(1.0, abs(values).max()):
        raise Refused(f"{name} is {values[0]:g} in all {len(values)} scenarios: nothing can move it")


def scenarios(study, indicators=True):
    """Uncertainties by scenario: numbers as they are, and a 0/1 column `name=level` for each level of a word.

    With `indicators` false, words stay words.
    """
    pandas = need("pandas")
    names = study.uncertainties
    if not names:
        raise Refused("the study has no uncertainties: nothing but luck varies within a policy")
    table = study.design.set_index("scenario").sort_index()
    found = {}
    for name in names:
        column = pandas.to_numeric(table[name], errors="coerce")
        if column.notna().all():
            found[name] = column.astype(float)
        elif not indicators:
            found[name] = table[name].astype(str)
        else:
            for level in sorted(table[name].astype(str).unique()):
                found[f"{name}={level}"] = (table[name].astype(str) == level).astype(float)
    table = pandas.DataFrame(found)
    still = [c for c in table if table[c].nunique() < 2]
    return table.drop(columns=still)


def save(study, name, table, command, told=()):
    """Writes DIR/discovery/NAME.csv and what it is in about.json beside it."""
    folder = study.folder / "discovery"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.csv"
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.9g")
    about = folder / "about.json"
    known = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}
    known[name] = {
        "study": study.plan["study"],
        "hash": study.hash,
        "program": study.plan["version"],
        "command": command,
        "rows": len(table),
        "notes": list(dict.fromkeys([*study.notes, *told])),
    }
    text = json.dumps(dict(sorted(known.items())), indent=2, ensure_ascii=False) + "\n"
    about.write_text(text, encoding="utf-8")
    return path

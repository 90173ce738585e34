"""Writes designs that SALib knows how to read: a column an uncertainty, a row a scenario.

Points are laid out in the unit cube and carried through each prior's quantiles, so that a design respects what a prior says, and
an index counts in quantiles, whatever the unit of the parameter.
"""

from pathlib import Path

from . import Refused, need

#: Share of a normal or log-normal prior below its low end, and above its high end: as the program has it.
TAIL = 0.05
LEVELS = 4


def quantile(low, high, distribution, u):
    """The quantile `u` of a prior from `low` to `high`, cut off there; as docs/studies.md says."""
    numpy, stats = need("numpy"), need("scipy.stats")
    u = numpy.asarray(u, float)
    bell = (stats.norm.ppf(TAIL + (1 - 2 * TAIL) * u) / stats.norm.ppf(1 - TAIL) + 1) / 2
    if distribution == "uniform":
        x = low + (high - low) * u
    elif distribution == "normal":
        x = low + (high - low) * bell
    elif distribution == "lognormal":
        x = numpy.exp(numpy.log(low) + numpy.log(high / low) * bell)
    elif distribution == "whole":
        x = low + numpy.minimum(numpy.floor((high - low + 1) * u), high - low)
    else:
        raise Refused(f"a prior that is {distribution} has nothing to vary")
    return numpy.clip(x, low, high)


def priors(path, names):
    """Rows of `frugality parameters --format csv`, for these names in this order; all with a prior if none."""
    pandas = need("pandas")
    table = pandas.read_csv(path).set_index("name")
    table = table[(table["distribution"] != "fixed") & (table["low"] < table["high"])]
    names = names or list(table.index)
    unknown = [n for n in names if n not in table.index]
    if unknown:
        raise Refused(f"no parameter with a prior is called {', '.join(unknown)}; see frugality parameters")
    if len(set(names)) < len(names):
        raise Refused("a parameter is named twice")
    return table.loc[names]


def morris(names, trajectories, seed, candidates=None):
    """Points of a Morris design in the unit cube; with `candidates`, the farthest apart of so many."""
    numpy = need("numpy")
    sample = need("SALib.sample.morris").sample
    problem = {"num_vars": len(names), "names": list(names), "bounds": [[0, 1]] * len(names)}
    if candidates:
        return sample(problem, candidates, num_levels=LEVELS, optimal_trajectories=trajectories, seed=seed)
    return numpy.asarray(sample(problem, trajectories, num_levels=LEVELS, seed=seed))


def sobol(names, base, seed):
    """Saltelli's extension of a Sobol sequence in the unit cube: (k + 2) × base points."""
    if base & (base - 1):
        raise Refused(f"{base} is no power of two: a Sobol sequence wants one")
    sample = need("SALib.sample.sobol").sample
    problem = {"num_vars": len(names), "names": list(names), "bounds": [[0, 1]] * len(names)}
    return sample(problem, base, calc_second_order=False, seed=seed)


def write(path, method, table, points):
    """Writes the design."""
    pandas = need("pandas")
    columns = {}
    for at, (name, row) in enumerate(table.iterrows()):
        u = points[:, at]
        if method == "morris" and row["distribution"] == "whole":
            # Levels of the design are spread over the whole numbers, ends included: else a step might go nowhere.
            columns[name] = row["low"] + (u * (row["high"] - row["low"]) + 0.5).astype(int)
        else:
            columns[name] = quantile(row["low"], row["high"], row["distribution"], u)
    path = Path(path)
    frame = pandas.DataFrame(columns)
    for name, row in table.iterrows():
        if row["distribution"] == "whole":
            frame[name] = frame[name].round().astype("int64")
    frame.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")
    return frame


def problem_of(names):
    return {"num_vars": len(names), "names": list(names), "bounds": [[0, 1]] * len(names)}


def units(table):
    """Values of a Morris design as steps of the unit interval: the ranks of each column's levels."""
    return table.rank(method="dense").sub(1).div(table.nunique().sub(1).clip(lower=1), axis=1)


def recognise(table):
    """`morris` or `sobol` when the rows are such a design, in the order of their scenarios; else nothing."""
    values = table.to_numpy()
    rows, columns = values.shape
    if columns < 2:
        return None
    if rows % (columns + 1) == 0:
        blocks = values.reshape(-1, columns + 1, columns)
        changed = blocks[:, 1:] != blocks[:, :-1]
        if (changed.sum(axis=2) == 1).all() and (changed.sum(axis=1) == 1).all():
            return "morris"
    if rows % (columns + 2) == 0:
        blocks = values.reshape(-1, columns + 2, columns)
        first, last = blocks[:, 0], blocks[:, -1]
        mixed = all(
            (blocks[:, 1 + j, j] == last[:, j]).all()
            and (blocks[:, 1 + j, [k for k in range(columns) if k != j]]
                 == first[:, [k for k in range(columns) if k != j]]).all()
            for j in range(columns)
        )
        if mixed and len(blocks) > 1:
            return "sobol"
    return None

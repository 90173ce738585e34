"""Which package of rules did it: Shapley values over packages that are on or off, and each package alone and left out.

phi_i = sum over sets S without i of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S)), with v the outcome of the draw under the packages of S. The values
of a draw sum to the effect of all packages at once, exactly; intervals are those of their means over draws.
"""

from itertools import combinations
from math import factorial

from . import Refused, intervals, need


def shapley(value, names):
    """Shapley values of a game: `value` maps a frozenset of names to an array, a cell a draw."""
    n = len(names)
    found = {}
    for name in names:
        others = [m for m in names if m != name]
        total = 0.0
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for some in combinations(others, size):
                without = frozenset(some)
                total = total + weight * (value[without | {name}] - value[without])
        found[name] = total
    return found


def packages(study):
    """Rows (outcome, package, method, value, low, high, unit, draws)."""
    numpy, pandas = need("numpy"), need("pandas")
    names = study.levers
    runs = study.runs
    levels = {str(level) for name in names for level in runs[name].unique()} if names else set()
    if not names or levels != {"on", "off"} or runs["arm"].nunique() != 1:
        raise Refused("the study is not of one arm whose levers are all `on` or `off`; see worlds/studies/packages.toml")
    draws = numpy.sort(runs["draw"].unique())
    sets = {}
    for level, some in runs.groupby(names, sort=False):
        level = level if isinstance(level, tuple) else (level,)
        key = frozenset(n for n, x in zip(names, level) if x == "on")
        sets[key] = some.set_index("draw")
    if len(sets) != 2 ** len(names):
        raise Refused(f"{len(sets)} of {2 ** len(names)} combinations of packages have runs: all are needed")
    rows = []
    everything, nothing = frozenset(names), frozenset()
    for outcome in study.outcomes:
        value = {key: some[outcome].reindex(draws).to_numpy(float) for key, some in sets.items()}
        whole = ~numpy.isnan(numpy.array(list(value.values()))).any(axis=0)
        lost = int((~whole).sum())
        if lost:
            study.note(f"{outcome}: {lost} of {len(draws)} draws lack a value in some combination and are left out")
        if whole.sum() < 2:
            study.note(f"{outcome}: fewer than two whole draws")
            continue
        value = {key: x[whole] for key, x in value.items()}
        parts = shapley(value, names)
        total = value[everything] - value[nothing]
        gap = abs(sum(parts.values()) - total).max()
        if gap > 1e-9 * max(1.0, abs(total).max()):
            raise Refused(f"{outcome}: parts do not sum to the whole ({gap:g})")

        def add(package, method, x):
            middle, low, high = intervals.mean(x)
            rows.append({
                "outcome": outcome, "package": package, "method": method, "value": middle, "low": low, "high": high,
                "unit": study.units.get(outcome, ""), "draws": len(x),
            })

        add("all", "whole", total)
        for name in names:
            add(name, "shapley", parts[name])
            add(name, "left_out", value[everything] - value[everything - {name}])
            add(name, "alone", value[frozenset({name})] - value[nothing])
    return pandas.DataFrame(rows)

"""Where a headline reverses: the smallest simple part of the parameters in which the effect is on the other side.

The *headline* is the side of a threshold (0, or a margin) on which the effect lies in most scenarios; the *reversed* scenarios are the others. A box is
a range for each of a few parameters. Of a box: coverage, the share of all reversed scenarios that lie in it; density, the share of its
scenarios that are reversed; mass, the share of all scenarios that lie in it.
"""

import contextlib
import io
import logging

from . import Refused, need
from .study import effects, refuse_constant, scenarios

#: A box restricts at most so many parameters: more cannot be explained.
MOST_LIMITS = 3
#: Parameters that are looked at, the most correlated with the reversal.
MOST_CANDIDATES = 10
FEWEST_REVERSED = 10
#: By how much a limit must raise the harmonic mean of coverage and density to stay.
EARNS = 0.02
HALVES = 10


def reversed_cases(effect, threshold):
    """Which scenarios are on the other side, and what the headline is."""
    above = effect > threshold
    positive = above.sum() * 2 >= len(effect)
    words = f"effect {'>' if positive else '<='} {threshold:g}"
    return (~above if positive else above), words


def candidates(table, cases):
    """The columns most correlated in rank with the reversal."""
    numpy, stats = need("numpy"), need("scipy.stats")
    ranks = stats.rankdata(table.to_numpy(float), axis=0)
    ranks = ranks - ranks.mean(axis=0)
    y = cases - cases.mean()
    scale = numpy.sqrt((ranks**2).sum(axis=0) * (y**2).sum())
    rho = abs((ranks * y[:, None]).sum(axis=0) / numpy.maximum(scale, 1e-300))
    return list(table.columns[numpy.argsort(-rho, kind="stable")[:MOST_CANDIDATES]])


def inside(table, limits):
    """Which rows lie in a box: {parameter: (low, high)}."""
    numpy = need("numpy")
    kept = numpy.ones(len(table), bool)
    for name, (low, high) in limits.items():
        kept &= (table[name].to_numpy() >= low) & (table[name].to_numpy() <= high)
    return kept


def measures(table, cases, limits):
    """Coverage, density and mass of a box."""
    kept = inside(table, limits)
    hits = (kept & cases).sum()
    return hits / max(1, cases.sum()), hits / max(1, kept.sum()), kept.mean()


def worth(table, cases, limits):
    """How good a box is as a description: harmonic mean of coverage and density."""
    coverage, density, _ = measures(table, cases, limits)
    return 2 * coverage * density / (coverage + density) if coverage + density > 0 else 0.0


def simplify(table, cases, limits):
    """Takes out limits that add next to nothing, until each that is left earns its place."""
    limits = dict(limits)
    while limits:
        full = worth(table, cases, limits)
        rest = {n: {k: v for k, v in limits.items() if k != n} for n in limits}
        best = max(rest, key=lambda n: worth(table, cases, rest[n]))
        if len(limits) <= MOST_LIMITS and worth(table, cases, rest[best]) < full - EARNS:
            break
        if len(limits) == 1:
            break
        limits = rest[best]
    return limits


def limits_of(box, full):
    """What a box of EMA Workbench restricts."""
    found = {}
    for name in full.columns:
        low, high = float(box[name].iloc[0]), float(box[name].iloc[1])
        least, most = float(full[name].iloc[0]), float(full[name].iloc[1])
        if low > least or high < most:
            found[name] = (low, high)
    return found


def quiet(call):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return call()


def prim(table, cases, most=3):
    """Boxes by the patient rule induction method, the best first; each next one looks at what is left."""
    numpy = need("numpy")
    workbench = need("ema_workbench.analysis.prim")
    logging.getLogger("EMA").setLevel(logging.ERROR)
    found = []
    frame = table.reset_index(drop=True)
    left = numpy.ones(len(frame), bool)
    for _ in range(most):
        if (cases & left).sum() < FEWEST_REVERSED or (cases & left).sum() == left.sum():
            break
        here, y = frame[left].reset_index(drop=True), cases[left]
        mass = max(0.05, FEWEST_REVERSED / left.sum())
        algorithm = quiet(lambda: workbench.Prim(here, y, threshold=0.0, mass_min=mass, peel_alpha=0.05))
        box = quiet(algorithm.find_box)
        if box is None:
            break
        full = algorithm.box_init
        boxes = [simplify(here, y, limits) for limits in (limits_of(b, full) for b in box.box_lims) if limits]
        boxes = [limits for limits in boxes if limits]
        if not boxes:
            break
        best = max(boxes, key=lambda limits: worth(here, y, limits))
        if measures(here, y, best)[1] <= 1.25 * y.mean():
            break
        found.append(best)
        left &= ~inside(frame, best)
    return found


def cart(table, cases, most=3):
    """Leaves of a classification tree in which most scenarios are reversed, the best first."""
    workbench = need("ema_workbench.analysis.cart")
    need("sklearn")
    logging.getLogger("EMA").setLevel(logging.ERROR)
    frame = table.reset_index(drop=True)
    mass = max(0.05, FEWEST_REVERSED / len(frame))
    tree = workbench.CART(frame, cases, mass_min=mass, mode=workbench.sdutil.RuleInductionType.BINARY)
    quiet(tree.build_tree)
    least, most_of = frame.min(), frame.max()
    found = []
    for box in tree.boxes:
        limits = {}
        for name in box.columns:
            low, high = float(box[name].iloc[0]), float(box[name].iloc[1])
            if low > least[name] or high < most_of[name]:
                limits[name] = (low, high)
        if not limits:
            continue
        limits = simplify(frame, cases, limits)
        if limits not in found and measures(frame, cases, limits)[1] > 1.25 * cases.mean():
            found.append(limits)
    return sorted(found, key=lambda limits: -worth(frame, cases, limits))[:most]


METHODS = {"prim": prim, "cart": cart}


def check(method, table, cases, seed=1):
    """Does it hold up? Over halves of the scenarios, parameters and box chosen anew on the one half: how often each parameter is
    restricted, and the density of the box in the other half."""
    numpy = need("numpy")
    random = numpy.random.default_rng(seed)
    often, densities, tried = {}, [], 0
    for _ in range(HALVES):
        order = random.permutation(len(table))
        one, other = order[: len(order) // 2], order[len(order) // 2 :]
        if cases[one].sum() < FEWEST_REVERSED // 2 or cases[one].all():
            continue
        tried += 1
        half = table.iloc[one]
        names = candidates(half, cases[one])
        boxes = METHODS[method](half[names], cases[one], most=1)
        if not boxes:
            continue
        for name in boxes[0]:
            often[name] = often.get(name, 0) + 1
        kept = inside(table.iloc[other], boxes[0])
        if kept.any():
            densities.append(cases[other][kept].mean())
    held = float(numpy.mean(densities)) if densities else float("nan")
    return {name: n / tried for name, n in often.items()}, held


def boxes(study, policy, outcome, threshold=0.0):
    """Rows (outcome, method, rank, box, parameter, low, high, coverage, density, mass, …)."""
    numpy = need("numpy")
    table = scenarios(study)
    effect, dropped = effects(study, outcome, policy)
    refuse_constant(outcome, effect)
    table = table.loc[effect.index]
    cases, headline = reversed_cases(effect.to_numpy(), threshold)
    if cases.sum() < FEWEST_REVERSED:
        raise Refused(
            f"{outcome}: the headline ({headline}) reverses in {int(cases.sum())} of {len(cases)} scenarios, "
            f"too few for a box; {FEWEST_REVERSED} at least"
        )
    names = candidates(table, cases)
    rows = []
    for method, find in METHODS.items():
        found = find(table[names], cases)
        often, held = check(method, table, cases)
        if not found:
            study.note(f"{outcome}: {method} finds no box in which the headline ({headline}) reverses more than elsewhere")
        left = numpy.ones(len(table), bool)
        for rank, limits in enumerate(found, 1):
            # A further box of PRIM is what it adds to those before it.
            here = inside(table, limits) & left
            coverage, density = (here & cases).sum() / cases.sum(), cases[here].mean()
            mass = here.mean()
            if method == "prim":
                left &= ~here
            text = " and ".join(words(name, *ends, table[name]) for name, ends in limits.items())
            for name, (low, high) in limits.items():
                rows.append({
                    "outcome": outcome, "method": method, "rank": rank, "box": text, "parameter": name,
                    "low": low, "high": high, "coverage": coverage, "density": density, "mass": mass,
                    "arm": policy[0], "headline": headline, "reversed": cases.mean(),
                    # The check is one of the first box.
                    "reproduced": often.get(name, 0.0) if rank == 1 else None,
                    "density_held_out": held if rank == 1 else None,
                    "scenarios": len(cases), "dropped": dropped,
                })
    return rows


def words(name, low, high, column):
    """A limit as a person would say it."""
    if "=" in name and set(column.unique()) <= {0.0, 1.0}:
        return name if low > 0 else f"not {name}"
    if low <= column.min():
        return f"{name} <= {high:.3g}"
    if high >= column.max():
        return f"{name} >= {low:.3g}"
    return f"{low:.3g} <= {name} <= {high:.3g}"

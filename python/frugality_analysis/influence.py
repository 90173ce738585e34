"""Which uncertainty moves an effect: rank correlations, elementary effects, Sobol indices."""

from . import Refused, design, need
from .study import effects, refuse_constant, scenarios

RESAMPLES = 400


def spearman(table, effect, seed=1):
    """Rank correlation of each column with the effect, its 90 % bootstrap interval, and q, the share of false finds
    among parameters at least as clear (Benjamini and Hochberg)."""
    numpy, stats = need("numpy"), need("scipy.stats")
    x = stats.rankdata(table.to_numpy(float), axis=0)
    y = stats.rankdata(effect)
    rho = correlation(x, y)
    # Large samples have narrow intervals, and need fewer resamples to show it.
    resamples = int(max(100, min(RESAMPLES, 4e8 // x.size)))
    rows = numpy.random.default_rng(seed).integers(0, len(y), (resamples, len(y)))
    many = numpy.array([correlation(x[r], y[r]) for r in rows])
    low, high = numpy.nanpercentile(many, [5, 95], axis=0)
    n = len(y)
    with numpy.errstate(divide="ignore"):
        t = rho * numpy.sqrt((n - 2) / numpy.maximum(1e-12, 1 - rho**2))
    p = 2 * stats.t.sf(abs(t), n - 2)
    return rho, low, high, stats.false_discovery_control(numpy.nan_to_num(p, nan=1.0))


def correlation(x, y):
    numpy = need("numpy")
    x, y = x - x.mean(axis=0), y - y.mean()
    scale = numpy.sqrt((x**2).sum(axis=0) * (y**2).sum())
    with numpy.errstate(invalid="ignore", divide="ignore"):
        return numpy.where(scale > 0, (x * y[:, None]).sum(axis=0) / scale, numpy.nan)


def partial(table, effect, seed=1):
    """Partial rank correlations: each parameter with the effect, all others of the table held equal."""
    numpy, stats = need("numpy"), need("scipy.stats")
    ranks = numpy.column_stack([stats.rankdata(table.to_numpy(float), axis=0), stats.rankdata(effect)])

    def of(rows):
        inverse = numpy.linalg.pinv(numpy.corrcoef(ranks[rows], rowvar=False))
        scale = numpy.sqrt(abs(inverse.diagonal()[:-1] * inverse[-1, -1]))
        return -inverse[:-1, -1] / scale

    n = len(ranks)
    value = of(numpy.arange(n))
    draws = numpy.random.default_rng(seed).integers(0, n, (200, n))
    low, high = numpy.nanpercentile([of(rows) for rows in draws], [5, 95], axis=0)
    return value, low, high


def elementary(table, effect, seed=1):
    """mu* and sigma of a Morris design. `effect` has a missing value where a run failed: that trajectory is left out."""
    numpy = need("numpy")
    analyze = need("SALib.analyze.morris").analyze
    k = table.shape[1]
    y = effect.to_numpy(float).reshape(-1, k + 1)
    whole = ~numpy.isnan(y).any(axis=1)
    if whole.sum() < 2:
        raise Refused("fewer than two trajectories of the Morris design are whole")
    x = design.units(table).to_numpy().reshape(-1, k + 1, k)[whole].reshape(-1, k)
    y = y[whole].ravel()
    refuse_constant("the outcome", y)
    found = analyze(
        design.problem_of(table.columns), x, y, num_levels=design.LEVELS, conf_level=0.9,
        num_resamples=RESAMPLES, seed=seed, print_to_console=False,
    )
    return found, int((~whole).sum())


def variance(table, effect, seed=1):
    """S1 and ST of Saltelli's design; a block with a missing value is left out whole."""
    numpy = need("numpy")
    analyze = need("SALib.analyze.sobol").analyze
    k = table.shape[1]
    y = effect.to_numpy(float).reshape(-1, k + 2)
    whole = ~numpy.isnan(y).any(axis=1)
    if whole.sum() < 8:
        raise Refused("fewer than eight blocks of the Saltelli design are whole")
    refuse_constant("the outcome", y[whole])
    found = analyze(
        design.problem_of(table.columns), y[whole].ravel(), calc_second_order=False, conf_level=0.9,
        num_resamples=RESAMPLES, seed=seed, print_to_console=False,
    )
    return found, int((~whole).sum())


def influence(study, policy, outcome):
    """Rows (outcome, parameter, method, value, low, high, arm, scenarios, dropped, q)."""
    table = scenarios(study)
    effect, dropped = effects(study, outcome, policy)
    refuse_constant(outcome, effect)
    rows = []

    def add(method, names, value, low, high, q=None):
        for at, name in enumerate(names):
            rows.append({
                "outcome": outcome, "parameter": name, "method": method, "value": value[at],
                "low": low[at], "high": high[at], "arm": policy[0], "scenarios": len(effect),
                "dropped": dropped, "q": None if q is None else q[at],
            })

    full = scenarios(study, indicators=False)
    kind = design.recognise(full) if all(full.dtypes == float) else None
    if kind == "morris":
        found, lost = elementary(table, effect.reindex(table.index))
        if lost:
            study.note(f"{outcome}: {lost} trajectories with a missing value are left out")
        conf = found["mu_star_conf"]
        add("morris_mu_star", table.columns, found["mu_star"], found["mu_star"] - conf, found["mu_star"] + conf)
        nothing = [None] * table.shape[1]
        add("morris_mu", table.columns, found["mu"], nothing, nothing)
        add("morris_sigma", table.columns, found["sigma"], nothing, nothing)
        return rows
    if kind == "sobol":
        found, lost = variance(table, effect.reindex(table.index))
        if lost:
            study.note(f"{outcome}: {lost} blocks with a missing value are left out")
        if (found["ST"] > 1.1).any() or (found["S1"] < -0.1).any():
            study.note(f"{outcome}: Sobol indices outside 0 to 1: the sample is too small for its tails; see rank correlations")
        for index in ("S1", "ST"):
            value, conf = found[index], found[f"{index}_conf"]
            add(f"sobol_{index.lower()}", table.columns, value, value - conf, value + conf)
        return rows
    at = table.loc[effect.index]
    if len(at) < 20:
        raise Refused(f"{outcome}: {len(at)} scenarios are too few for correlations; 20 at least")
    rho, low, high, q = spearman(at, effect.to_numpy())
    add("spearman", at.columns, rho, low, high, q)
    # Words of one uncertainty sum to 1: one level stays out.
    numpy = need("numpy")
    first, seen = [], set()
    for name in at.columns:
        root = name.split("=")[0]
        if "=" in name and root not in seen:
            seen.add(root)
            continue
        first.append(name)
    method = "prcc"
    if len(at) < 3 * len(first):
        strongest = numpy.argsort(-abs(numpy.nan_to_num(rho)))
        first = [at.columns[j] for j in strongest if at.columns[j] in first][: max(2, min(20, len(at) // 5))]
        method = "prcc_strongest"
        study.note(
            f"{len(at)} scenarios are few for partial correlations of {at.shape[1]} parameters at once: "
            "prcc_strongest holds only the strongest equal"
        )
    value, low, high = partial(at[first], effect.to_numpy())
    add(method, first, value, low, high)
    return rows

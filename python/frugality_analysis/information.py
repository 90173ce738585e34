"""What it is worth to know a parameter before judging.

Two decisions, both with the expected value of partial perfect information (EVPPI):

*verdict*: say whether the effect lies above the threshold. With p the probability that it does, who knows nothing is wrong with probability
min(p, 1 - p). Who knows the parameter x is wrong with E_x[min(p(x), 1 - p(x))]. The value is the difference: by how much knowing x lowers the
probability of a wrong verdict.

*choice*: take the policy or its counterfactual, whichever gives more of the outcome. Value = E_x[max(0, E[effect | x])] - max(0, E[effect]), in the
outcome's unit.

E[. | x] is the mean within bins of equal number of scenarios, n^(1/3) of them and at most 10. Bins find a value in pure noise too; what a
shuffled parameter shows in the mean is taken off, so the value of an irrelevant parameter is 0 in expectation.
"""

from . import need
from .study import effects, refuse_constant, scenarios

RESAMPLES = 200
SHUFFLES = 100


def bins(column, most):
    """The bin of each scenario: levels as they are, numbers in bins of equal count."""
    numpy, stats = need("numpy"), need("scipy.stats")
    _, level = numpy.unique(column, return_inverse=True)
    if level.max() < most:
        return level
    ranks = stats.rankdata(column, method="ordinal") - 1
    return (ranks * most // len(column)).astype(int)


def verdict(labels, above, count):
    """Fall of the probability of a wrong verdict."""
    numpy = need("numpy")
    n = numpy.bincount(labels, minlength=count).astype(float)
    hits = numpy.bincount(labels, weights=above, minlength=count)
    wrong = numpy.minimum(hits, n - hits).sum() / len(labels)
    p = above.mean()
    return min(p, 1 - p) - wrong


def choice(labels, effect, count):
    """Gain of choosing with the parameter known."""
    numpy = need("numpy")
    sums = numpy.bincount(labels, weights=effect, minlength=count)
    return numpy.maximum(0, sums).sum() / len(labels) - max(0.0, effect.mean())


def information(study, policy, outcome, threshold=0.0, seed=1):
    """Rows (outcome, parameter, value, low, high, method, unit, …), the most valuable first."""
    numpy = need("numpy")
    words = scenarios(study, indicators=False)
    effect, dropped = effects(study, outcome, policy)
    refuse_constant(outcome, effect)
    words = words.loc[effect.index]
    values = effect.to_numpy()
    n = len(values)
    most = max(2, min(10, int(round(n ** (1 / 3)))))
    random = numpy.random.default_rng(seed)
    shuffles = [random.permutation(n) for _ in range(SHUFFLES)]
    draws = random.integers(0, n, (RESAMPLES, n))
    rows = []
    for method, of, data, unit in (
        ("verdict", verdict, (values > threshold).astype(float), "probability"),
        ("choice", choice, values, study.units.get(outcome, "")),
    ):
        # The best that all parameters and luck together could give: every scenario known.
        perfect = of(numpy.arange(n), data, n)
        known = {}
        for name in words:
            labels = bins(words[name].to_numpy(), most)
            count = labels.max() + 1
            # What a shuffled parameter shows depends on the sizes of its bins alone.
            sizes = tuple(sorted(numpy.bincount(labels)))
            if sizes not in known:
                known[sizes] = numpy.mean([of(labels[order], data, count) for order in shuffles])
            value = of(labels, data, count) - known[sizes]
            # What resampling adds by itself is centred away: it sees noise twice.
            many = numpy.array([of(labels[d], data[d], count) for d in draws])
            low, high = numpy.percentile(many - many.mean() + value, [5, 95])
            dust = 1e-9 * max(abs(data).max(), 1e-300)
            value, low, high = (x if x > dust else 0.0 for x in (value, low, high))
            rows.append({
                "outcome": outcome, "parameter": name, "value": value, "low": low, "high": high,
                "method": method, "unit": unit, "perfect": perfect, "arm": policy[0],
                "threshold": threshold if method == "verdict" else 0.0, "scenarios": n, "dropped": dropped,
            })
    rows.sort(key=lambda row: (row["method"] != "verdict", -row["value"], row["parameter"]))
    return rows

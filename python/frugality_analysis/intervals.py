"""Means and ratios with 90 % intervals. Draws are resampled whole, so what is paired stays paired."""

from . import need

LEVEL = 0.90
RESAMPLES = 2000


def mean(values):
    """(mean, low, high): the t-interval."""
    numpy, stats = need("numpy"), need("scipy.stats")
    values = numpy.asarray(values, float)
    values = values[~numpy.isnan(values)]
    if len(values) == 0:
        return float("nan"), float("nan"), float("nan")
    middle = values.mean()
    if len(values) < 2:
        return middle, float("nan"), float("nan")
    half = stats.t.ppf(0.5 + LEVEL / 2, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return middle, middle - half, middle + half


def resampled(size, resamples=RESAMPLES, seed=1):
    """Rows of each resample, the same for every column of a table."""
    numpy = need("numpy")
    return numpy.random.default_rng(seed).integers(0, size, (resamples, size))


def ratio(above, below, seed=1):
    """Mean of `above` over mean of `below` in the same draws, with its bootstrap interval.

    Empty where the interval of the mean below reaches 0: a ratio over what may be nothing is no number.
    """
    numpy = need("numpy")
    above, below = numpy.asarray(above, float), numpy.asarray(below, float)
    kept = ~(numpy.isnan(above) | numpy.isnan(below))
    above, below = above[kept], below[kept]
    nothing = (float("nan"),) * 3
    if len(above) < 3:
        return nothing
    rows = resampled(len(above), seed=seed)
    bottom = below[rows].mean(axis=1)
    tail = 100 * (1 - LEVEL) / 2
    if numpy.percentile(bottom, tail) <= 0:
        return nothing
    low, high = numpy.percentile(above[rows].mean(axis=1) / bottom, [tail, 100 - tail])
    return above.mean() / below.mean(), low, high

"""What each policy would be sorry for.

In draw d, the regret of policy p is best over policies of u(p', d) less u(p, d), with u the outcome if more is better and its negative if less is. Reported:
the mean of the outcome and of the regret with their intervals, the largest regret and its 95 % point, and the share of draws in which the policy is
best (ties share). A policy is *dominated* in an outcome when another is at least as good in every draw and better in some.
"""

from . import Refused, intervals, need


def table_of(study, outcome, better):
    """u(policy, draw): a column a policy, a row a draw in which every policy has a value."""
    pandas = need("pandas")
    runs = study.runs
    columns = {}
    keys = ["arm", *study.levers]
    for key, some in runs.groupby(keys, sort=False):
        key = key if isinstance(key, tuple) else (key,)
        name = " ".join([key[0], *(f"{k}={v}" for k, v in zip(study.levers, key[1:]))])
        columns[name] = some.set_index("draw")[outcome]
    table = pandas.DataFrame(columns).sort_index()
    whole = table.dropna()
    if len(whole) < len(table):
        study.note(f"{outcome}: {len(table) - len(whole)} draws lack a value under some policy and are left out")
    return whole if better == "more" else -whole


def regret(study, goals_path):
    """Rows (outcome, policy, better, mean, …, regret, regret_low, regret_high, regret_95, regret_most, share_best, dominated_by, draws)."""
    pandas = need("pandas")
    goals = pandas.read_csv(goals_path)
    bad = goals[~goals["better"].isin(["more", "less"])]
    if len(bad):
        raise Refused(f"{goals_path}: better is `{bad['better'].iloc[0]}`; write more or less")
    rows = []
    for _, goal in goals.iterrows():
        outcome = goal["outcome"]
        if outcome not in study.outcomes:
            study.note(f"{goals_path} names {outcome}, which the study does not have")
            continue
        good = table_of(study, outcome, goal["better"])
        if len(good) < 2 or good.shape[1] < 2:
            raise Refused(f"{outcome}: {good.shape[1]} policies and {len(good)} whole draws; two of each at least")
        best = good.max(axis=1)
        lost = good.rsub(best, axis=0)
        winners = good.eq(best, axis=0)
        share = winners.div(winners.sum(axis=1), axis=0).mean()
        sign = 1 if goal["better"] == "more" else -1
        for policy in good:
            middle, low, high = intervals.mean(sign * good[policy])
            mean, mean_low, mean_high = intervals.mean(lost[policy])
            over = [
                other for other in good
                if other != policy and (good[other] >= good[policy]).all() and (good[other] > good[policy]).any()
            ]
            rows.append({
                "outcome": outcome, "policy": policy, "better": goal["better"], "whose": goal["whose"],
                "mean": middle, "low": low, "high": high,
                "regret": mean, "regret_low": mean_low, "regret_high": mean_high,
                "regret_95": lost[policy].quantile(0.95), "regret_most": lost[policy].max(),
                "share_best": share[policy], "dominated_by": " ".join(over),
                "unit": study.units.get(outcome, ""), "draws": len(good),
            })
    if not rows:
        raise Refused(f"no outcome of the study stands in {goals_path}")
    return pandas.DataFrame(rows)

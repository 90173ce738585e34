"""The return on a firm's plan of one year: what it invests more than without, and what comes back, month by month, in the same draw.

With F(t) the firm's free cash flow (annual rate, USD), r its discount rate and h the years between rows of the table:

    NPV of the plan = sum over t from January 2026 of (F full(t) - F cut(t)) h exp(-r (t - 2026)) + terminal,
    terminal = (V full - V cut) exp(-r T), V = firm value - cash + debt in the last month: what the business is then worth.

`npv_life` ends with December 2032, when what was bought in 2026 is worn out, without a terminal value: it is the return on the year's machines, and the steadiest
of the three, since small causes grow into large differences over the years. `npv_to_end` goes to the end of the run, `npv` adds the terminal value.

Free cash flow is smoothed over a year in the model, so what is spent in 2026 shows until 2028; the sum holds all of it. Payback: years from January 2026
until the undiscounted sum of differences, once below 0, is 0 or more; infinite if it is not by the end. The marginal return compares eleven tenths
of the plan with nine tenths: npv_life, and per USD of capex more, discounted alike.

Chip money by channel is what was paid: to vendors for chips shipped, to brokers for chips landed, to hosts as rent.

The worth of a per cent is the model's `uplift_percent_value_usd`: uplifted core revenue / 100, a year.
"""

from . import Refused, intervals, need

FROM, YEAR = "2026-01", "2026"
LIFE = "2032-12"
CHANNELS = ["import", "variant", "domestic", "grey", "offshore", "own"]
LOT = 20_000
LOT_CHIP = "nvidia-h200"
BN = 1e9
QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]


def years(months):
    """Years since January 2026 of months written YYYY-MM."""
    numpy = need("numpy")
    return numpy.array([int(m[:4]) - 2026 + (int(m[5:7]) - 1) / 12 for m in months])


def panel(study, name, ids):
    """Rows of a panel for these members, by run and month."""
    pandas = need("pandas")
    path = study.folder / "merged" / f"{name}.parquet"
    if path.is_file():
        need("pyarrow")
        table = pandas.read_parquet(path, filters=[("id", "in", list(ids))])
    else:
        table = study.table(name)
        table = table[table["id"].isin(ids)]
    return table.sort_values(["run_id", "id", "month"])


def rates(study, ownership):
    """Discount rate of an owner by run: as drawn, or as the world has it."""
    name = f"discount_{ownership}"
    if name in study.runs:
        return study.runs[name].astype(float)
    pandas = need("pandas")
    for path in sorted(study.folder.glob("inputs/*/parameters.csv")):
        table = pandas.read_csv(path).set_index("id")
        if name in table.index:
            return pandas.Series(float(table.loc[name, "value"]), index=study.runs.index)
    raise Refused(f"the study says nowhere what {name} is; give --rate")


def matrix(rows, column, runs):
    """A column of a panel of one firm, a row a run and a column a month; missing runs are rows of missing values."""
    return rows.pivot(index="run_id", columns="month", values=column).reindex(runs)


def payback(flow, at):
    """Years until the running sum of each row, after it has been below 0, is 0 or more; infinite if never."""
    numpy = need("numpy")
    total = flow.cumsum(axis=1)
    found = numpy.full(len(total), numpy.inf)
    for row, sums in enumerate(total):
        if numpy.isnan(sums).any():
            found[row] = numpy.nan
            continue
        below = numpy.flatnonzero(sums < 0)
        if len(below) == 0:
            found[row] = 0.0
            continue
        after = numpy.flatnonzero(sums[below[0]:] >= 0)
        if len(after):
            found[row] = at[below[0] + after[0]]
    return found


def spread(values):
    """Quantiles and the mean with its interval, as cells of a row."""
    numpy = need("numpy")
    values = numpy.asarray(values, float)
    values = values[~numpy.isnan(values)]
    # Where some paybacks never come there is no mean; quantiles and `paid_back` tell.
    middle, low, high = intervals.mean(values) if numpy.isfinite(values).all() else (float("nan"),) * 3
    row = {"mean": middle, "low": low, "high": high}
    for q in QUANTILES:
        # An infinite value is a payback that never comes: it counts as later than all others.
        row[f"q{round(100 * q):02d}"] = numpy.quantile(values, q, method="inverted_cdf") if len(values) else float("nan")
    row["share_above_0"] = (values > 0).mean() if len(values) else float("nan")
    row["draws"] = len(values)
    return row


def plan_return(study, rate=None):
    """Rows (arm, case, firm, measure, unit, mean, low, high, q05 … q95, share_above_0, draws)."""
    numpy, pandas = need("numpy"), need("pandas")
    runs = study.runs
    if set(study.levers) != {"plan", "whose"}:
        raise Refused("the study has not the levers plan and whose; see worlds/studies/bytedance-plan.toml")
    firms = panel(study, "firms", ["bytedance", "meta", "microsoft", "openai"])
    months = sorted(m for m in firms["month"].unique() if m >= FROM)
    at = years(months)
    step = float(numpy.diff(at).mean())
    of_year = [m for m in months if m.startswith(YEAR)]
    rows = []

    def add(arm, case, firm, measure, unit, values):
        rows.append({"arm": arm, "case": case, "firm": firm, "measure": measure, "unit": unit, **spread(values)})

    def twin(arm, case, plan):
        """Numbers of runs by draw."""
        kept = (runs["arm"] == arm) & (runs["whose"] == case) & ((runs["plan"] - plan).abs() < 1e-9)
        return pandas.Series(runs.index[kept], index=runs["draw"][kept]).sort_index()

    chips = panel(study, "chips", [LOT_CHIP]) if (study.folder / "merged" / "chips.parquet").is_file() else None
    for arm in runs["arm"].unique():
        for case in runs["whose"].unique():
            firm = case.removesuffix("-public")
            ownership = "private" if case == "bytedance" else "public"
            of = firms[firms["id"] == firm]
            by_plan = {plan: twin(arm, case, plan) for plan in (0, 0.9, 1, 1.1)}
            draws = sorted(set.intersection(*(set(s.index) for s in by_plan.values())))
            r = numpy.full(len(draws), rate) if rate is not None else rates(study, ownership).loc[by_plan[1].loc[draws]].to_numpy()
            weight = numpy.exp(-numpy.outer(r, at)) * step

            def cells(column, plan, when=months):
                return matrix(of, column, by_plan[plan].loc[draws])[when].to_numpy(float)

            def end(plan):
                value = cells("firm_value_usd", plan, months[-1:]) - cells("cash_usd", plan, months[-1:])
                return (value + cells("debt_usd", plan, months[-1:]))[:, 0]

            flow = {plan: cells("free_cash_flow_usd", plan) for plan in by_plan}
            capex = {plan: cells("capex_usd", plan) for plan in by_plan}
            last = numpy.exp(-r * at[-1])
            gain = flow[1] - flow[0]
            lived = numpy.array([m <= LIFE for m in months])
            to_life = (gain * weight)[:, lived].sum(axis=1)
            to_end = (gain * weight).sum(axis=1)
            npv = to_end + (end(1) - end(0)) * last
            invested = ((capex[1] - capex[0])[:, : len(of_year)] * step).sum(axis=1)
            add(arm, case, firm, "ai_capex_2026", "bn USD", cells("ai_capex_usd", 1, of_year).mean(axis=1) / BN)
            add(arm, case, firm, "chip_budget_2026", "bn USD", cells("chip_budget_usd", 1, of_year).mean(axis=1) * 12 / BN)
            add(arm, case, firm, "capex_more_2026", "bn USD", invested / BN)
            add(arm, case, firm, "npv_life", "bn USD", to_life / BN)
            add(arm, case, firm, "npv_to_end", "bn USD", to_end / BN)
            add(arm, case, firm, "npv", "bn USD", npv / BN)
            back = payback(gain * step, at)
            add(arm, case, firm, "payback_plan", "year", back)
            add(arm, case, firm, "paid_back", "share", numpy.where(numpy.isnan(back), numpy.nan, numpy.isfinite(back)))
            middle, low, high = intervals.ratio(to_life, invested)
            rows.append({
                "arm": arm, "case": case, "firm": firm, "measure": "npv_life_per_usd", "unit": "USD per USD",
                "mean": middle, "low": low, "high": high, "draws": len(draws),
            })
            more = ((flow[1.1] - flow[0.9]) * weight)[:, lived].sum(axis=1)
            spent = ((capex[1.1] - capex[0.9])[:, : len(of_year)] * step).sum(axis=1)
            middle, low, high = intervals.ratio(more, spent)
            rows.append({
                "arm": arm, "case": case, "firm": firm, "measure": "npv_marginal_per_usd", "unit": "USD per USD",
                "mean": middle, "low": low, "high": high, "draws": len(draws),
            })
            add(arm, case, firm, "npv_marginal", "bn USD", more / BN)
            add(arm, case, firm, "percent_value_2026", "bn USD/year", cells("uplift_percent_value_usd", 1, of_year).mean(axis=1) / BN)
            if firm == "bytedance":
                # The lot and the channels: what the chip money of the year went to.
                paid = {c: cells(f"paid_{c}_usd", 1, of_year).mean(axis=1) * 12 / BN for c in CHANNELS}
                paid["rent"] = numpy.maximum(0.0, cells("rent_usd_year", 1, of_year).mean(axis=1)) / BN
                total = sum(paid.values())
                with numpy.errstate(invalid="ignore", divide="ignore"):
                    for channel, usd in paid.items():
                        add(arm, case, firm, f"paid_{channel}_2026", "bn USD", usd)
                        add(arm, case, firm, f"share_{channel}_2026", "share", numpy.where(total > 0, usd / total, numpy.nan))
                    if chips is not None:
                        price = matrix(chips, "price_usd", by_plan[1].loc[draws])
                        lot = LOT * price.reindex(columns=of_year).mean(axis=1).to_numpy() / BN
                        add(arm, case, firm, "lot_of_20000_h200", "bn USD", lot)
                        add(arm, case, firm, "lot_share_of_chip_money", "share", numpy.where(total > 0, lot / total, numpy.nan))
    # Beside each other, in the full plan: intensity against revenue and cash flow.
    for arm in runs["arm"].unique():
        full = twin(arm, "bytedance", 1)
        for firm in ("bytedance", "meta", "microsoft", "openai"):
            of = firms[firms["id"] == firm]

            def mean_of(column):
                return matrix(of, column, full)[of_year].to_numpy(float).mean(axis=1)

            capex, flow = mean_of("ai_capex_usd"), mean_of("operating_cash_flow_usd")
            add(arm, "beside", firm, "ai_capex_2026", "bn USD", capex / BN)
            add(arm, "beside", firm, "revenue_2026", "bn USD", mean_of("revenue_usd") / BN)
            add(arm, "beside", firm, "operating_cash_flow_2026", "bn USD", flow / BN)
            add(arm, "beside", firm, "free_cash_flow_2026", "bn USD", mean_of("free_cash_flow_usd") / BN)
            add(arm, "beside", firm, "ai_capex_to_revenue_2026", "ratio", mean_of("ai_capex_to_revenue"))
            with numpy.errstate(invalid="ignore", divide="ignore"):
                add(arm, "beside", firm, "ai_capex_to_cash_flow_2026", "ratio", numpy.where(flow > 0, capex / flow, numpy.nan))
            bought = capex + mean_of("rent_usd_year")
            add(arm, "beside", firm, "ai_capex_and_rent_to_revenue_2026", "ratio", bought / mean_of("revenue_usd"))
            add(arm, "beside", firm, "payback_years_2026", "year", mean_of("payback_years"))
            add(arm, "beside", firm, "percent_value_2026", "bn USD/year", mean_of("uplift_percent_value_usd") / BN)
    return pandas.DataFrame(rows)

"""What an instrument of control buys, and what it costs whom.

Two readings of an instrument, both within draws: *alone*, its arm `only-X` less the arm without any; *left out*, the arm with all less its
arm `without-X`. Bought: months of lag, compute denied. Paid: sales that vendors and lines lose over the months of the study, undiscounted, in USD of
the month. Cost-effectiveness is the mean bought over the mean paid, each over the same draws, with a bootstrap interval that keeps draws whole.

Tools are not sold in the model. What China's lines grow by stands for them: sales = capacity built since the start × (1 - share of tools withheld,
mean over the months) × USD of tools for a unit of capacity × share of the country's tool makers in the world. Those numbers are assumptions
(worlds/studies/tool-sales.csv). Only lines for AI chips and their memory are in the model: what China's other fabs bought is not counted.
"""

from . import Refused, intervals, need

BN = 1e9

#: What is bought: name, outcome, factor, unit. Positive is more control.
BOUGHT = [
    ("lag_months", "lag_months", 1.0, "month"),
    ("compute_denied", "compute_constrained", -1e-6, "M H100e"),
    ("compute_denied_years", "compute_constrained_sum", -1e-6 / 12, "M H100e-year"),
]

#: Who pays: name, the outcomes that are summed, factor to USD lost.
PAYERS = [
    ("us_vendors", ["sales_nvidia", "sales_amd"]),
    ("us_memory", ["output_micron_hbm"]),
    ("taiwan_foundry_packaging", ["output_tsmc_n7", "output_tsmc_n5", "output_tsmc_n3", "output_tsmc_cowos", "output_osat_packaging"]),
    ("korea_memory", ["output_sk_hynix_hbm", "output_samsung_hbm"]),
]
ALLIES = ["taiwan_foundry_packaging", "korea_memory", "netherlands_tools", "japan_tools"]
UNITED_STATES = ["us_vendors", "us_memory", "us_tools"]
TOOL_MAKERS = [("us_tools", "usa"), ("netherlands_tools", "nld"), ("japan_tools", "jpn")]


def by_draw(study, arm):
    """Outcomes of an arm, a row a draw."""
    mine = study.runs[study.runs["arm"] == arm]
    if mine.empty:
        raise Refused(f"the study has no arm `{arm}`; it has {', '.join(sorted(study.runs['arm'].unique()))}")
    if mine["draw"].duplicated().any():
        raise Refused(f"arm `{arm}` has a draw twice: a study with levers is not of this kind")
    return mine.set_index("draw").sort_index()


def tool_sales(arm, tools, country, price="usd_per_unit"):
    """USD bn of tools that makers of a country sold to China's lines, by draw, at this column of prices."""
    pandas = need("pandas")
    total = pandas.Series(0.0, index=arm.index)
    lines = [row for _, row in tools.iterrows() if f"capacity_{row['line']}" in arm]
    for row in lines:
        opening = arm[f"opening_{row['line']}"].fillna(0.0) if f"opening_{row['line']}" in arm else 0.0
        built = (arm[f"capacity_{row['line']}"].fillna(0.0) - opening).clip(lower=0)
        total += built * row[price] * row[country] / BN
    return total * (1 - arm["equipment_withheld"]) if lines else None


def lost_sales(treated, other, tools):
    """USD bn lost by each payer, by draw: without the instrument less with it."""
    pandas = need("pandas")
    lost = {}
    for name, outcomes in PAYERS:
        here = [o for o in outcomes if o in treated]
        if here:
            lost[name] = (other[here] - treated[here]).sum(axis=1, skipna=False) / BN
    if tools is not None and "equipment_withheld" in treated:
        for name, country in TOOL_MAKERS:
            with_it, without = tool_sales(treated, tools, country), tool_sales(other, tools, country)
            if with_it is not None:
                lost[name] = without - with_it
    lost = pandas.DataFrame(lost)
    for total, members in (("united_states", UNITED_STATES), ("allies", ALLIES)):
        lost[total] = lost[[m for m in members if m in lost]].sum(axis=1, skipna=False)
    lost["all"] = lost["united_states"] + lost["allies"]
    return lost


def cost_effectiveness(study, tools_path):
    """Rows (instrument, reading, measure, payer, value, low, high, unit, draws)."""
    pandas = need("pandas")
    try:
        tools = pandas.read_csv(tools_path)
    except FileNotFoundError:
        tools = None
        study.note(f"without {tools_path}: sales of tools are left out")
    arms = set(study.runs["arm"])
    names = sorted(a.removeprefix("only-") for a in arms if a.startswith("only-"))
    names += sorted(a.removeprefix("without-") for a in arms if a.startswith("without-") and a.removeprefix("without-") not in names)
    if not names:
        raise Refused("the study has no arms `only-X` or `without-X`; see worlds/studies/instruments.toml")
    full, none = by_draw(study, "all"), by_draw(study, "none")
    pairs = [("whole regime", "alone", full, none)]
    for name in names:
        if f"only-{name}" in arms:
            pairs.append((name, "alone", by_draw(study, f"only-{name}"), none))
        if f"without-{name}" in arms:
            pairs.append((name, "left out", full, by_draw(study, f"without-{name}")))
    rows = []
    for name, reading, treated, other in pairs:
        outcomes = [o for o in study.outcomes if o in treated]
        both = treated.index.intersection(other.index)
        difference = treated.loc[both, outcomes] - other.loc[both, outcomes]
        lost = lost_sales(treated.loc[both], other.loc[both], tools)

        def add(measure, payer, found, unit, n):
            rows.append({
                "instrument": name, "reading": reading, "measure": measure, "payer": payer,
                "value": found[0], "low": found[1], "high": found[2], "unit": unit, "draws": n,
            })

        bought = {m: difference[o] * factor for m, o, factor, _ in BOUGHT if o in difference}
        units = {m: unit for m, _, _, unit in BOUGHT}
        for measure, values in bought.items():
            add(measure, "", intervals.mean(values), units[measure], int(values.notna().sum()))
        for outcome in ("efficiency_gap", "third_market_share", "compute_share_usable", "domestic_chip_share_end"):
            if outcome in difference:
                values = difference[outcome]
                add(outcome, "", intervals.mean(values), study.units.get(outcome, ""), int(values.notna().sum()))
        if "refused_usd" in difference:
            add("refused", "us_vendors", intervals.mean(difference["refused_usd"] / BN), "bn USD", len(difference))
        for payer, country in TOOL_MAKERS:
            if payer in lost:
                for measure, price in (("lost_sales_low_price", "low"), ("lost_sales_high_price", "high")):
                    other_way = tool_sales(other.loc[both], tools, country, price) - tool_sales(treated.loc[both], tools, country, price)
                    add(measure, payer, intervals.mean(other_way), "bn USD", len(other_way))
        for payer in lost:
            add("lost_sales", payer, intervals.mean(lost[payer]), "bn USD", int(lost[payer].notna().sum()))
        for measure, values in bought.items():
            for payer in ("us_vendors", "united_states", "allies", "all"):
                if payer not in lost:
                    continue
                found = intervals.ratio(values, lost[payer])
                add(f"{measure}_per_bn", payer, found, f"{units[measure]} per bn USD", len(values))
    table = pandas.DataFrame(rows)
    empty = int(table.loc[table["measure"].str.endswith("_per_bn"), "value"].isna().sum())
    if empty:
        study.note(f"{empty} ratios are empty: the interval of what was lost reaches 0, so months per bn USD lost is no number")
    return table

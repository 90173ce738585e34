"""Planted truths: what is put in must come out. Run with  python -m unittest discover -s python/tests"""

import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

from frugality_analysis import Refused, attribution, boxes, design, influence, information, instruments, intervals, need, plan, regret, study
from frugality_analysis.cli import main


def ishigami(u):
    """The function of Ishigami and Homma (1990) on the unit cube, a = 7, b = 0.1."""
    x = np.pi * (2 * np.asarray(u) - 1)
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def planted(folder, effect, scenarios=120, seeds=1, columns=("a", "b", "c"), table=None, spoil=None, outcomes=("gain",)):
    """A folder as a study leaves one: an arm with the effect, and its twin without."""
    rng = np.random.default_rng(5)
    if table is None:
        table = pd.DataFrame({c: rng.uniform(size=scenarios) for c in columns})
    rows, run = [], 0
    for scenario in range(len(table)):
        for replicate in range(seeds):
            luck = rng.normal()
            draw = scenario * seeds + replicate
            shared = {"draw": draw, "scenario": scenario, "replicate": replicate, "seed": draw, "status": "ok", **table.iloc[scenario]}
            base = {o: luck for o in outcomes}
            with_it = {o: luck + effect(table.iloc[[scenario]].to_numpy(float))[0] for o in outcomes}
            rows.append({"run_id": run, "arm": "treated", "counterfactual_run_id": run + 1, **shared, **with_it})
            rows.append({"run_id": run + 1, "arm": "free", "counterfactual_run_id": np.nan, **shared, **base})
            run += 2
    runs = pd.DataFrame(rows)
    if spoil is not None:
        runs = spoil(runs)
    folder = Path(folder)
    (folder / "merged").mkdir(parents=True, exist_ok=True)
    runs.to_csv(folder / "merged/runs.csv", index=False)
    record = {"outcomes": [{"name": o} for o in outcomes]}
    uncertainties = [{"name": c, "values": {"low": 0, "high": 1, "distribution": "uniform"}} for c in table]
    facts = {
        "study": "planted", "version": "0", "arms": [{"name": "treated"}, {"name": "free"}], "levers": [],
        "uncertainties": uncertainties, "record": record, "scenarios": len(table), "replicates": seeds,
    }
    (folder / "plan.json").write_text(json.dumps({"hash": "0", "plan": facts}))
    fields = [{"name": c, "unit": "unit"} for c in runs]
    (folder / "datapackage.json").write_text(json.dumps({"resources": [{"name": "runs", "schema": {"fields": fields}}]}))
    return folder


def said(*words):
    """Exit code, output and errors of the command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(w) for w in words])
    return code, out.getvalue(), err.getvalue()


class Scratch(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.folder = Path(self.scratch.name)


class Designs(Scratch):
    def test_quantiles_are_those_of_the_program(self):
        self.assertAlmostEqual(float(design.quantile(0, 1, "normal", 0.75)), 0.682, 3)
        self.assertAlmostEqual(float(design.quantile(1, 100, "lognormal", 0.5)), 10, 6)
        found = design.quantile(2, 4, "whole", np.array([0.1, 0.34, 0.67, 1.0]))
        self.assertEqual(found.tolist(), [2, 3, 4, 4])
        for prior in ("uniform", "normal", "lognormal"):
            low, high = design.quantile(1, 3, prior, np.array([0.0, 1.0]))
            self.assertAlmostEqual(low, 1)
            self.assertAlmostEqual(high, 3)

    def test_sobol_indices_of_ishigami_are_the_known_ones(self):
        names = ["x1", "x2", "x3"]
        points = design.sobol(names, 4096, seed=1)
        table = pd.DataFrame(points, columns=names)
        self.assertEqual(design.recognise(table), "sobol")
        found, lost = influence.variance(table, pd.Series(ishigami(points)))
        self.assertEqual(lost, 0)
        np.testing.assert_allclose(found["S1"], [0.3139, 0.4424, 0.0], atol=0.02)
        np.testing.assert_allclose(found["ST"], [0.5576, 0.4424, 0.2437], atol=0.02)

    def test_elementary_effects_of_a_plane_are_its_slopes(self):
        names = ["a", "b", "c"]
        points = design.morris(names, 12, seed=3)
        table = pd.DataFrame(points, columns=names)
        self.assertEqual(design.recognise(table), "morris")
        y = pd.Series(3 * points[:, 0] - 2 * points[:, 1])
        found, _ = influence.elementary(table, y)
        np.testing.assert_allclose(found["mu_star"], [3, 2, 0], atol=1e-9)
        np.testing.assert_allclose(found["mu"], [3, -2, 0], atol=1e-9)
        np.testing.assert_allclose(found["sigma"], 0, atol=1e-9)
        # A run that failed takes its trajectory with it and nothing else.
        y[5] = np.nan
        found, lost = influence.elementary(table, y)
        self.assertEqual(lost, 1)
        np.testing.assert_allclose(found["mu_star"], [3, 2, 0], atol=1e-9)

    def test_a_scenario_that_failed_under_both_arms_takes_its_trajectory_alone(self):
        points = design.morris(["a", "b", "c"], 8, seed=3)

        def spoil(runs):
            runs.loc[runs["scenario"] == 9, "status"] = "failed"
            return runs

        table = pd.DataFrame(points, columns=["a", "b", "c"])
        folder = planted(self.folder, lambda x: 3 * x[:, 0] - 2 * x[:, 1], table=table, spoil=spoil)
        code, _, err = said("influence", folder)
        self.assertEqual(code, 0, err)
        self.assertIn("1 trajectories", err)
        found = pd.read_csv(folder / "discovery/influence.csv").set_index(["method", "parameter"])["value"]
        np.testing.assert_allclose([found["morris_mu_star", n] for n in "abc"], [3, 2, 0], atol=1e-6)

    def test_a_design_written_through_priors_is_recognised_and_counts_in_quantiles(self):
        priors = self.folder / "priors.csv"
        priors.write_text(
            "name,value,low,high,distribution\nrate,10,1,100,lognormal\nmonths,3,2,5,whole\nshare,0.5,0,1,uniform\nheld,1,1,1,fixed\n"
        )
        out = self.folder / "design.csv"
        code, _, _ = said("design", "morris", "--parameters", priors, "--trajectories", 8, "--out", out)
        self.assertEqual(code, 0)
        table = pd.read_csv(out)
        self.assertEqual(list(table), ["rate", "months", "share"])
        self.assertEqual(len(table), 8 * 4)
        self.assertEqual(design.recognise(table.astype(float)), "morris")
        self.assertTrue(table["months"].isin([2, 3, 4, 5]).all())
        # The outcome is the quantile of `rate` itself: slope 1, whatever its unit.
        y = design.units(table)["rate"]
        found, _ = influence.elementary(table.astype(float), y)
        np.testing.assert_allclose(found["mu_star"], [1, 0, 0], atol=1e-9)
        code, _, err = said("design", "sobol", "--parameters", priors, "--names", "held,rate", "--out", out)
        self.assertEqual(code, 1)
        self.assertIn("held", err)
        code, _, err = said("design", "sobol", "--parameters", priors, "--base", 100, "--out", out)
        self.assertIn("power of two", err)


class Influence(Scratch):
    def test_the_parameter_that_moves_it_is_found(self):
        folder = planted(self.folder, lambda x: 2 * x[:, 0] - x[:, 1], seeds=2)
        code, _, err = said("influence", folder)
        self.assertEqual(code, 0, err)
        table = pd.read_csv(folder / "discovery/influence.csv")
        self.assertEqual(list(table)[:6], ["outcome", "parameter", "method", "value", "low", "high"])
        rho = table[table["method"] == "spearman"].set_index("parameter")
        self.assertGreater(rho.loc["a", "low"], 0.7)
        self.assertLess(rho.loc["b", "high"], -0.2)
        self.assertLess(abs(rho.loc["c", "value"]), 0.25)
        prcc = table[table["method"] == "prcc"].set_index("parameter")
        self.assertGreater(prcc.loc["a", "value"], 0.95)
        self.assertLess(prcc.loc["b", "value"], -0.95)
        self.assertLess(abs(prcc.loc["c", "value"]), 0.25)

    def test_the_order_of_rows_changes_nothing(self):
        one = planted(self.folder / "one", lambda x: 2 * x[:, 0] - 1)
        two = planted(self.folder / "two", lambda x: 2 * x[:, 0] - 1, spoil=lambda runs: runs.sample(frac=1, random_state=9))
        for verb in ("influence", "boxes", "information"):
            self.assertEqual(said(verb, one)[0], 0)
            self.assertEqual(said(verb, two)[0], 0)
            a, b = ((f / f"discovery/{verb}.csv").read_bytes() for f in (one, two))
            self.assertEqual(a, b, verb)

    def test_missing_values_are_dropped_and_counted(self):
        def spoil(runs):
            runs.loc[runs["run_id"].isin([3, 8]), "gain"] = np.nan
            runs.loc[runs["run_id"] == 20, "status"] = "failed"
            return runs

        folder = planted(self.folder, lambda x: x[:, 0], spoil=spoil)
        code, _, err = said("influence", folder)
        self.assertEqual(code, 0)
        self.assertIn("1 of 240 runs failed", err)
        table = pd.read_csv(folder / "discovery/influence.csv")
        self.assertEqual(set(table["dropped"]), {3})
        self.assertEqual(set(table["scenarios"]), {117})
        self.assertFalse(table["value"].isna().any())

    def test_what_cannot_be_answered_is_refused(self):
        constant = planted(self.folder / "constant", lambda x: 0 * x[:, 0])
        code, _, err = said("influence", constant)
        self.assertEqual(code, 1)
        self.assertIn("nothing can move it", err)

        def infinite(runs):
            runs.loc[4, "gain"] = np.inf
            return runs

        folder = planted(self.folder / "infinite", lambda x: x[:, 0], spoil=infinite)
        self.assertIn("infinite", said("boxes", folder)[2])
        folder = planted(self.folder / "twice", lambda x: x[:, 0], spoil=lambda runs: pd.concat([runs, runs.head(1)]))
        self.assertIn("run 0 twice", said("information", folder)[2])
        self.assertIn("no outcome `loss`", said("influence", constant, "--outcome", "loss")[2])
        self.assertIn("no folder of a study", said("influence", self.folder / "nowhere")[2])
        (constant / "datapackage.json").unlink()
        self.assertIn("is not finished: frugality study resume", said("influence", constant)[2])

    def test_one_policy_of_several_is_chosen_by_arm_and_level(self):
        rows = []
        for draw in range(30):
            for dose in (0.0, 0.5, 1.0):
                run = draw * 3 + round(2 * dose)
                rows.append({
                    "run_id": run, "arm": "ruled", "dose": dose, "draw": draw, "scenario": draw, "status": "ok", "a": draw / 30,
                    "counterfactual_run_id": draw * 3 if dose else np.nan, "gain": draw % 7 + dose * draw,
                })
        record = {"outcomes": [{"name": "gain"}]}
        facts = {"levers": [{"name": "dose"}], "uncertainties": [{"name": "a"}], "record": record, "scenarios": 30, "replicates": 1}
        one = study.Study(Path("."), facts, "0", {}, None)
        one.runs = study.check_runs(one, pd.DataFrame(rows))
        with self.assertRaises(Refused) as refusal:
            study.choose(one)
        self.assertIn("2 fit of ruled dose=0.5; ruled dose=1", str(refusal.exception))
        effect, dropped = study.effects(one, "gain", study.choose(one, "ruled", {"dose": "1"}))
        self.assertEqual((dropped, effect.tolist()), (0, [float(d) for d in range(30)]))
        with self.assertRaises(Refused):
            study.choose(one, "ruled", {"doze": "1"})

    def test_a_missing_package_is_named_with_what_installs_it(self):
        with self.assertRaises(Refused) as refusal:
            need("no_such_package.part")
        self.assertIn("no_such_package is missing: python3 -m pip install -r python/requirements.txt", str(refusal.exception))


class Boxes(Scratch):
    def truth(self, n=1000, columns=6):
        x = np.random.default_rng(11).uniform(size=(n, columns))
        table = pd.DataFrame(x, columns=[f"p{j}" for j in range(columns)])
        return table, (x[:, 0] < 0.35) & (x[:, 3] > 0.6)

    def test_a_planted_box_is_recovered(self):
        table, cases = self.truth()
        for method in ("prim", "cart"):
            with self.subTest(method):
                found = boxes.METHODS[method](table, cases)[0]
                self.assertEqual(set(found), {"p0", "p3"})
                self.assertAlmostEqual(found["p0"][1], 0.35, delta=0.05)
                self.assertAlmostEqual(found["p3"][0], 0.6, delta=0.05)
                coverage, density, mass = boxes.measures(table, cases, found)
                self.assertGreater(coverage, 0.85)
                self.assertGreater(density, 0.85)
                self.assertAlmostEqual(mass, 0.14, delta=0.04)

    def test_the_check_tells_a_box_from_noise(self):
        table, cases = self.truth(500)
        often, held = boxes.check("prim", table, cases)
        self.assertGreater(min(often["p0"], often["p3"]), 0.9)
        self.assertGreater(held, 0.7)
        noise = np.random.default_rng(2).uniform(size=500) < 0.2
        _, held = boxes.check("prim", table, noise)
        self.assertLess(held, 0.35)

    def test_the_table_says_where_the_headline_reverses(self):
        # Positive but for a corner of a and b.
        folder = planted(self.folder, lambda x: np.where((x[:, 0] < 0.4) & (x[:, 1] < 0.5), -1.0, 1.0) + x[:, 2] / 10, scenarios=300)
        code, _, err = said("boxes", folder)
        self.assertEqual(code, 0, err)
        table = pd.read_csv(folder / "discovery/boxes.csv")
        self.assertEqual(
            list(table)[:10], ["outcome", "method", "rank", "box", "parameter", "low", "high", "coverage", "density", "mass"]
        )
        first = table[(table["method"] == "prim") & (table["rank"] == 1)]
        self.assertEqual(set(first["parameter"]), {"a", "b"})
        self.assertEqual(set(first["headline"]), {"effect > 0"})
        self.assertGreater(first["reproduced"].min(), 0.8)
        code, _, err = said("boxes", folder, "--threshold", -5)
        self.assertEqual(code, 1)
        self.assertIn("too few for a box", err)


class Information(Scratch):
    def test_a_parameter_that_settles_the_verdict_is_worth_all_of_it(self):
        folder = planted(self.folder, lambda x: np.where(x[:, 0] < 0.3, -1.0, 2.0) + 0 * x[:, 1], scenarios=1000)
        code, _, err = said("information", folder)
        self.assertEqual(code, 0, err)
        table = pd.read_csv(folder / "discovery/information.csv")
        self.assertEqual(list(table)[:3], ["outcome", "parameter", "value"])
        by = table.set_index(["method", "parameter"])["value"]
        # Without knowing: wrong in 0.3 of cases; knowing a: never. Choosing with a known spares 1 in 0.3 of cases.
        self.assertAlmostEqual(by["verdict", "a"], 0.3, delta=0.06)
        self.assertAlmostEqual(by["choice", "a"], 0.3, delta=0.06)
        for name in ("b", "c"):
            self.assertLess(by["verdict", name], 0.03)
            self.assertLess(by["choice", name], 0.03)


class Policies(unittest.TestCase):
    def test_shapley_values_of_a_known_game(self):
        # v = 2 a + 3 b + 4 a b - c: the product is shared in halves.
        v = {}
        for key in [frozenset(s) for s in ("", "a", "b", "c", "ab", "ac", "bc", "abc")]:
            a, b, c = ("a" in key), ("b" in key), ("c" in key)
            v[key] = np.array([2.0 * a + 3 * b + 4 * a * b - c, 0.0])
        found = attribution.shapley(v, ["a", "b", "c"])
        np.testing.assert_allclose([found[n][0] for n in "abc"], [4, 5, -1])
        np.testing.assert_allclose(sum(found.values()), v[frozenset("abc")] - v[frozenset()])

    def test_regret_by_hand(self):
        runs = pd.DataFrame({
            "run_id": range(6), "arm": ["x", "y", "z"] * 2, "draw": [0, 0, 0, 1, 1, 1], "scenario": [0, 0, 0, 1, 1, 1],
            "status": "ok", "lag": [1.0, 4, 1, 8, 5, 2],
        }).set_index("run_id")
        one = study.Study(Path("."), {"levers": [], "uncertainties": [], "record": {"outcomes": [{"name": "lag"}]}}, "0", {"lag": "month"}, runs)
        with tempfile.TemporaryDirectory() as folder:
            goals = Path(folder) / "goals.csv"
            goals.write_text("outcome,better,whose\nlag,more,us\n")
            table = regret.regret(one, goals).set_index("policy")
        # Best: 4 (y), then 8 (x). Regrets: x 3, 0; y 0, 3; z 3, 6.
        self.assertEqual(table["regret"].to_dict(), {"x": 1.5, "y": 1.5, "z": 4.5})
        self.assertEqual(table["regret_most"].to_dict(), {"x": 3, "y": 3, "z": 6})
        self.assertEqual(table["share_best"].to_dict(), {"x": 0.5, "y": 0.5, "z": 0.0})
        self.assertEqual(table.loc["z", "dominated_by"], "x y")

    def test_what_an_instrument_buys_and_costs_by_hand(self):
        # It buys 6 months and takes 12, 10, 14 bn of sales; tools: 100 built less, 20 % of what is built withheld.
        rows = []
        for draw, loss in enumerate([12e9, 10e9, 14e9]):
            for arm, on in (("none", 0), ("only-chips", 1), ("without-chips", 0), ("all", 1)):
                rows.append({
                    "arm": arm, "draw": draw, "lag_months": 10.0 + draw + 6 * on, "sales_nvidia": 100e9 + draw * 1e9 - loss * on,
                    "equipment_withheld": 0.2 * on, "opening_fab": 50.0, "capacity_fab": 250.0 - 100 * on,
                })
        runs = pd.DataFrame(rows)
        outcomes = [c for c in runs if c not in ("arm", "draw")]
        facts = {"levers": [], "uncertainties": [], "record": {"outcomes": [{"name": o} for o in outcomes]}}
        one = study.Study(Path("."), facts, "0", {}, runs)
        with tempfile.TemporaryDirectory() as folder:
            tools = Path(folder) / "tools.csv"
            tools.write_text("line,usd_per_unit,low,high,usa,nld,jpn,source\nfab,1e7,0,0,0.4,0.2,0.3,test\n")
            table = instruments.cost_effectiveness(one, tools)
        self.assertEqual(set(table["reading"]), {"alone", "left out"})
        by = table[(table["instrument"] == "chips") & (table["reading"] == "alone")].set_index(["measure", "payer"])["value"]
        self.assertAlmostEqual(by["lag_months", ""], 6)
        self.assertAlmostEqual(by["lost_sales", "us_vendors"], 12)
        # Without: 200 built × 1e7 × 0.2 = 0.4 bn; with: 100 × 0.8 × 1e7 × 0.2 = 0.16.
        self.assertAlmostEqual(by["lost_sales", "netherlands_tools"], 0.24)
        self.assertAlmostEqual(by["lost_sales", "united_states"], 12 + 0.48)
        self.assertAlmostEqual(by["lost_sales", "allies"], 0.24 + 0.36)
        self.assertAlmostEqual(by["lag_months_per_bn", "us_vendors"], 0.5)

    def test_ratios_keep_pairs_and_refuse_a_denominator_that_may_be_nothing(self):
        below = np.array([1.0, 2, 3, 4, 5] * 4)
        value, low, high = intervals.ratio(3 * below, below)
        self.assertAlmostEqual(value, 3)
        self.assertAlmostEqual(high - low, 0)
        self.assertTrue(np.isnan(intervals.ratio(below, below - 3)[0]))

    def test_payback_by_hand(self):
        at = np.array([0.0, 1, 2, 3])
        flow = np.array([[-2.0, 1, 1, 1], [-2, 1, 0.5, 0.1], [1, 1, 1, 1]])
        self.assertEqual(plan.payback(flow, at).tolist(), [2.0, np.inf, 0.0])


if __name__ == "__main__":
    unittest.main()

"""The command line."""

import argparse
import shlex
import sys
from pathlib import Path

from . import Refused, need


#: What boxes and information look at unless told otherwise; each outcome takes a while.
HEADLINES = ["efficiency_gap", "third_market_share", "third_market_share_poor", "capability_lag_months", "lag_months", "compute_share_usable"]


def parser():
    top = argparse.ArgumentParser(prog="discover.py", description="Answers from finished studies, as tables in DIR/discovery/.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name, text, study=True):
        one = verbs.add_parser(name, help=text, description=text)
        if study:
            one.add_argument("folder", metavar="DIR", help="folder of a finished study")
        return one

    for name, text in (
        ("influence", "which uncertainty moves each effect: correlations, or Morris or Sobol when the design is one"),
        ("boxes", "where an effect reverses: boxes of PRIM and CART, with a check on held-out halves"),
        ("information", "what knowing a parameter is worth"),
    ):
        one = verb(name, text)
        one.add_argument("--outcome", action="append", metavar="NAME", help="outcome; may be repeated (default: all)")
        one.add_argument("--arm", help="the arm that is compared with its counterfactual, where there are several")
        one.add_argument("--where", action="append", default=[], metavar="LEVER=LEVEL", help="the level of a lever")
        if name != "influence":
            one.add_argument("--threshold", type=float, default=0.0, help="the effect is judged against this (default 0)")
    one = verb("design", "writes a design for [sampling] method = \"table\"", study=False)
    one.add_argument("method", choices=["morris", "sobol"])
    one.add_argument("--parameters", required=True, metavar="CSV", help="what frugality parameters --format csv writes")
    one.add_argument("--names", metavar="A,B,…", help="parameters (default: all that have a prior)")
    one.add_argument("--trajectories", type=int, default=10, help="of a Morris design: rows = trajectories × (parameters + 1)")
    one.add_argument("--candidates", type=int, help="choose the trajectories that lie farthest apart among so many")
    one.add_argument("--base", type=int, default=64, help="of a Sobol design, a power of two: rows = base × (parameters + 2)")
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--out", required=True, metavar="CSV")
    one = verb("cost-effectiveness", "what each instrument buys, and what it costs whom")
    one.add_argument("--tools", default="worlds/studies/tool-sales.csv", metavar="CSV", help="what lines pay for tools, and whom")
    verb("packages", "Shapley attribution over packages of rules, and each left out")
    one = verb("regret", "what each policy would be sorry for")
    one.add_argument("--goals", default="worlds/studies/goals.csv", metavar="CSV", help="what is better, outcome by outcome")
    one = verb("plan-return", "the return on the ByteDance plan")
    one.add_argument("--rate", type=float, help="discount rate for everybody (default: each owner's, as in the run)")
    return top


def pairs(words):
    for word in words:
        if "=" not in word:
            raise Refused(f"--where {word}: write LEVER=LEVEL")
    return dict(word.split("=", 1) for word in words)


def each_outcome(args):
    from . import boxes, influence, information, study as studies

    pandas = need("pandas")
    study = studies.load(args.folder)
    policy = studies.choose(study, args.arm, pairs(args.where))
    rows, told = [], []
    wanted = args.outcome or study.outcomes
    if not args.outcome and args.verb != "influence":
        first = [o for o in study.outcomes if o.removesuffix("_end") in HEADLINES]
        if first and len(first) < len(wanted):
            wanted = first
            told.append(f"of {len(study.outcomes)} outcomes: {', '.join(first)}; others with --outcome NAME")
    for outcome in wanted:
        try:
            if args.verb == "influence":
                rows += influence.influence(study, policy, outcome)
            elif args.verb == "boxes":
                rows += boxes.boxes(study, policy, outcome, args.threshold)
            else:
                rows += information.information(study, policy, outcome, args.threshold)
        except Refused as refusal:
            if "missing" in str(refusal) and "pip" in str(refusal) or args.outcome:
                raise
            told.append(str(refusal))
    if not rows:
        raise Refused("; ".join(told) or "nothing to say")
    return study, pandas.DataFrame(rows), told


def run(args, command):
    from . import design, study as studies

    if args.verb == "design":
        names = [n.strip() for n in args.names.split(",") if n.strip()] if args.names else None
        table = design.priors(args.parameters, names)
        if args.method == "morris":
            points = design.morris(list(table.index), args.trajectories, args.seed, args.candidates)
        else:
            points = design.sobol(list(table.index), args.base, args.seed)
        frame = design.write(args.out, args.method, table, points)
        print(f"{args.out}: {len(frame)} scenarios of {frame.shape[1]} parameters")
        return
    if args.verb in ("influence", "boxes", "information"):
        study, table, told = each_outcome(args)
        name = args.verb
    elif args.verb == "cost-effectiveness":
        from .instruments import cost_effectiveness as analysis

        study = studies.load(args.folder)
        name, table, told = "cost_effectiveness", analysis(study, args.tools), []
    elif args.verb == "packages":
        from .attribution import packages as analysis

        study = studies.load(args.folder)
        name, table, told = "packages", analysis(study), []
    elif args.verb == "regret":
        from .regret import regret as analysis

        study = studies.load(args.folder)
        name, table, told = "regret", analysis(study, args.goals), []
    else:
        from .plan import plan_return as analysis

        study = studies.load(args.folder)
        name, table, told = "plan_return", analysis(study, args.rate), []
    path = studies.save(study, name, table, command, told)
    print(f"{path}: {len(table)} rows")
    for note in [*study.notes, *told]:
        print(f"note: {note}", file=sys.stderr)


def main(words=None):
    words = sys.argv[1:] if words is None else words
    args = parser().parse_args(words)
    shown = [Path(w).name if w == getattr(args, "folder", None) else w for w in words]
    command = "python python/discover.py " + shlex.join(shown)
    try:
        run(args, command)
    except Refused as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        print(f"error: there is no file {error.filename}", file=sys.stderr)
        return 1
    return 0

#!/usr/bin/python3
"""Streams of the judge's Python reference, and when that reference fires on them, for serin-bench-delay:

    /usr/bin/python3 delay_reference.py --reference DIR [--deploys 60] [--effects N,N…] [--cells N,N…] | serin-bench-delay

DIR holds world.py, judge.py, histproc.py, tables.py and more.py. They are taken as they are, seeds included, but in float64 and
with the limiter that starts at 0, min(lr, max(M, 0) + cap), at their nominal alpha and with their fading default margin.

Output, one block for each effect and cell: a line `cell <effect>|canaries hosts rate deploys seconds latency buckets levels`, then
for each deploy, little-endian: float64 firing time (inf: never); float64 latency level and error level of `levels` hosts, canaries
first; int32 canary errors, other canary requests, baseline errors, others, by second; with latency int32 canary and baseline
histograms, second by second.
"""
import argparse
import sys
import types
from pathlib import Path

import numpy as np

CELLS = ((1, 20, 10), (1, 20, 100), (1, 100, 1000), (10, 1000, 1000))
LIMITER = {"judge": ("np.minimum(lr[:, t], m + ", "np.minimum(lr[:, t], np.maximum(m, 0) + "),
           "histproc": ("np.minimum(lr, m + ", "np.minimum(lr, np.maximum(m, 0) + ")}


class Double:
    """numpy, whose float32 is float64."""
    float32 = np.float64

    def __getattr__(self, name):
        return getattr(np, name)


def load(folder, name):
    """A module of the reference, corrected."""
    text = (folder / (name + ".py")).read_text()
    if name in LIMITER:
        old, new = LIMITER[name]
        assert text.count(old) == 1, f"{name}.py: the limiter is not where it was"
        text = text.replace(old, new)
    module = types.ModuleType(name)
    module.__file__ = str(folder / (name + ".py"))
    sys.modules[name] = module
    exec(compile(text, module.__file__, "exec"), module.__dict__)
    if name in LIMITER:
        module.np = Double()
    return module


def simulate(w, tables, reg, k, hosts, rate, deploys, seconds, latency):
    """As tables.run_power does it, and the levels of the hosts beside it."""
    levels = []
    prehist = w.prehist

    def keep(rng, R, k_, N, rate_, world, p0, a_h, b_h, tab0, **kw):
        levels.append((a_h, b_h))
        return prehist(rng, R, k_, N, rate_, world, p0, a_h, b_h, tab0, **kw)

    w.prehist = keep
    rng = np.random.default_rng(7)
    for c in tables.chunks(deploys):
        levels.clear()
        yield w.simulate(rng, c, seconds, k, hosts, rate, w.HETERO, hist=latency, onset=0, **reg), levels[0]
    w.prehist = prehist


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--deploys", type=int, default=60)
    parser.add_argument("--seconds", type=int, default=900)
    numbers = lambda text: [int(x) for x in text.split(",")]
    parser.add_argument("--effects", type=numbers)
    parser.add_argument("--cells", type=numbers, default=list(range(len(CELLS))))
    args = parser.parse_args()
    w = load(args.reference, "world")
    judge = load(args.reference, "judge")
    load(args.reference, "rivals")
    load(args.reference, "histproc")
    tables, more = load(args.reference, "tables"), load(args.reference, "more")
    out = sys.stdout.buffer
    for number, (name, reg) in enumerate(tables.EFFECTS):
        if args.effects is not None and number not in args.effects:
            continue
        latency = "err_mult" not in reg
        for cell in args.cells:
            k, hosts, rate = CELLS[cell]
            kept = min(hosts, k + 240)      # enough for their mean to be known as well as that of all
            out.write(f"cell {name}|{k} {hosts} {rate} {args.deploys} {args.seconds} {int(latency)} {w.BINS} {kept}\n".encode())
            for sim, (a_h, b_h) in simulate(w, tables, reg, k, hosts, rate, args.deploys, args.seconds, latency):
                fire = judge.judge(sim, k, hosts, more.FADE, streams=range(1, 5) if latency else [0])[0]
                for r in range(len(fire)):
                    out.write(np.float64(fire[r]).tobytes())
                    out.write(a_h[r, :kept].astype("<f8").tobytes() + b_h[r, :kept].astype("<f8").tobytes())
                    for key in ("ec", "okc", "eb", "okb") + (("hc", "hb") if latency else ()):
                        out.write(np.ascontiguousarray(sim[key][r]).astype("<i4").tobytes())
                out.flush()


if __name__ == "__main__":
    main()

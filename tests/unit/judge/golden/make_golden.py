#!/usr/bin/python3
"""Writes the golden vectors that the judge's count processes and its spread are compared with.

    /usr/bin/python3 make_golden.py        (Debian: python3-numpy, python3-scipy; about a second)

An independent float64 implementation, vectorised over time and grid where the C++ steps, so that the two share no code
and little structure. What it computes:

  * given the total of bad requests in a step, the canary's share is hypergeometric; K bounds its cumulant function;
  * RE: random-effects null (Student t around `centre`, flat over the practical margin) against a broad one-sided
    alternative, one grid for both, and a limiter that starts at 0: M = min(lr, max(M, 0) + cap);
  * BND, SRS, SRF: start-time mixtures over nine alternatives above a boundary; the prior on late starts is paid in every
    step, also without data, and is spent after the horizon.

processes.txt: per stream a line `stream key value …`, then one line a step:
    canary_bad canary baseline_bad baseline offset RE BND SRS SRF
spread.txt: per history a line `history key value …`, then one line per host: canary(0|1) and pairs `requests bad` per
    10 s block, then `null …` with the expected figures.
distributions.txt: kind, arguments, value from scipy.
"""
from pathlib import Path

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm, t as tdist

HERE = Path(__file__).resolve().parent
HORIZON, TAU, LRV = 3600.0, 20.0, 60.0
SHARE = dict(het=.25, re=.45, bnd=.05, srs=.15, srf=.10)
ALT = np.array([.05, .1, .2, .4, .8, 1.5, 2.5, 4., 6.])


def upper(p, df):
    """Upper quantile of Student's t; scipy's own is good to about 1e-9 only, so polish it."""
    x = tdist.isf(p, df)
    for _ in range(4):
        x += (tdist.sf(x, df) / p - 1) * p / tdist.pdf(x, df)
    return x


# ------------------------------------------------------------------ processes
def branch(xc, nc, xb, nb):
    n, x = nc + nb, xc + xb
    with np.errstate(invalid="ignore", divide="ignore"):
        f, p = np.where(n > 0, nc / n, 0.), np.where(n > 0, x / n, 0.)
    first = p >= f
    return np.where(first, nc, x), np.where(first, p, f)


def cumulant(nu, pi, u):
    return nu * np.log1p(pi * np.expm1(u))


def grid(s):
    near = np.arange(-8, 9) * .5 * s
    far = 4 * s * (8. / (4 * s)) ** (np.arange(1, 27) / 26.)
    return np.concatenate([near, far])


def cells(v):
    return np.gradient(v)                            # unit spacing: half the distance of the neighbours, one-sided at the ends


def random_effects(xc, nu, pi, off, null, margin, cap):
    v = grid(null["s"])
    dv = cells(v)
    peak = np.where((v > 0) & (v <= margin), 0., v / null["s"])
    w0 = tdist.pdf(peak, null["df"]) * dv + 1e-300
    w1 = np.where(v > max(margin, 1e-9), (.7 * np.exp(-v) + .3 / 8.) * dv, 0.)
    u = null["centre"] + v
    inc = xc[:, None] * u - cumulant(nu[:, None], pi[:, None], u + off[:, None])
    L = np.cumsum(inc, 0)
    with np.errstate(divide="ignore"):
        lr = logsumexp(L + np.log(w1 / w1.sum()), axis=1) - logsumexp(L + np.log(w0 / w0.sum()), axis=1)
    M, out = 0., []
    for value, up in zip(lr, xc > nu * pi):
        M = min(value, max(M, 0.) + (cap if up else 0.))
        out.append(M)
    return np.array(out)


def start_mixture(xc, nu, pi, off, um, cap, pi0, eta, step):
    S, rest, out = np.full(9, pi0 / 9), 1 - pi0, []
    for t in range(len(xc)):
        p = min((1 - pi0) * step / HORIZON, rest)
        rest -= p
        lo = cumulant(nu[t], pi[t], um + off[t])
        l = eta[t] * (xc[t] * ALT - (cumulant(nu[t], pi[t], um + ALT + off[t]) - lo))
        S = np.minimum((S + p / 9) * np.exp(np.minimum(l, cap)), 1e30)
        out.append(np.log(S.sum() + rest + 1e-300))
    return np.array(out)


def processes(counts, off, alpha, null, margin, step):
    xc, nc, xb, nb = counts.astype(float).T
    nu, pi = branch(xc, nc, xb, nb)
    a = {k: alpha * s for k, s in SHARE.items()}
    cap = np.log(1 / a["re"]) / 2 + 1e-9
    tq = upper(a["het"], null["df"])
    zq = norm.isf(a["het"] * TAU / HORIZON)
    um = lambda spread: null["centre"] + max(margin, spread)
    one = np.ones(len(xc))
    eta = 1 / (1 + nu * pi * (1 - pi) / step * null["s_fast"] ** 2 * LRV)
    return np.stack([
        random_effects(xc, nu, pi, off, null, margin, cap),
        start_mixture(xc, nu, pi, off, um(tq * null["s"]), cap, 1., one, step),
        start_mixture(xc, nu, pi, off, um(tq * null["s_slow"]), cap, .5, eta, step),
        start_mixture(xc, nu, pi, off, um(np.hypot(tq * null["s_slow"], zq * null["s_fast"])),
                      np.log(HORIZON / a["srf"]) / 2 + 1e-9, 0., one, step)], axis=1)


def fleet(rng, steps, k, m, rate, p, effect=None, noise=0.):
    """Counts of a cohort of k and one of m hosts; `effect` multiplies the canary's bad share per step."""
    effect = np.ones(steps) if effect is None else effect
    hc, hb = np.exp(noise * rng.standard_normal(steps)), np.exp(noise / 4 * rng.standard_normal(steps))
    nc, nb = rng.poisson(rate * k, steps), rng.poisson(rate * m, steps)
    xc = rng.binomial(nc, np.clip(p * effect * hc, 0, .95))
    xb = rng.binomial(nb, np.clip(p * hb, 0, .95))
    return np.stack([xc, nc, xb, nb], axis=1)


def streams():
    rng = np.random.default_rng(20)
    quiet = dict(centre=0., s=.12, s_slow=.1, s_fast=.05, df=18.)
    uneven = dict(centre=-.17, s=.34, s_slow=.24, s_fast=.25, df=5.)
    t = np.arange(160)
    none = np.zeros(160)
    fade = np.log(4.) * np.exp(-t / 15.)
    yield "homogeneous", 1., .01, quiet, .22, fleet(rng, 160, 1, 19, 100, .001), none
    yield "regression", 1., .003, quiet, .22, fleet(rng, 160, 1, 19, 100, .001, np.full(160, 5.)), none
    yield "uneven_hosts", 1., .0095, uneven, .22, fleet(rng, 160, 1, 5, 40, .004, np.full(160, 3.), .3), none
    yield "warm_up", 1., .0095, uneven, .22, fleet(rng, 160, 1, 5, 40, .01, 1 + 4 * np.exp(-t / 15.)), fade
    yield "late_onset", 1., .003, quiet, .22, fleet(rng, 160, 2, 98, 30, .002, np.where(t < 80, 1., 12.)), none
    c = fleet(rng, 160, 1, 19, 50, .5, np.full(160, 1.3), .1)               # like a latency edge at the median
    yield "median_edge", 1., .0005, dict(centre=.05, s=.2, s_slow=.15, s_fast=.13, df=18.), .16, c, none
    c = fleet(rng, 160, 1, 9, 8, .01, np.where(t < 60, 1., 30.))
    c[t % 7 == 3, 0:2] = 0                                                  # the canary's report is missing
    c[t % 11 == 5, 0] = 0
    c[t % 11 == 5, 2] = 0                                                   # nobody has an error
    yield "gaps", 1., .0095, uneven, .22, c, .5 * fade
    c = fleet(rng, 60, 1, 19, 1000, .001, np.where(t[:60] < 20, 1., 4.))
    yield "ten_seconds", 10., .0095, quiet, .22, c, fade[:60]
    yield "short_horizon", 1., .0095, quiet, .22, fleet(rng, 160, 1, 19, 100, .001, np.where(t < 30, 1., 8.)), none


def write_processes():
    global HORIZON
    with open(HERE / "processes.txt", "w") as f:
        for name, step, alpha, null, margin, counts, off in streams():
            HORIZON = 100. if name == "short_horizon" else 3600.
            out = processes(counts, off, alpha, null, margin, step)
            f.write(f"stream {name} step {step:g} alpha {alpha!r} margin {margin!r} horizon {HORIZON:g} " +
                    " ".join(f"{k} {v!r}" for k, v in null.items()) + f" steps {len(counts)}\n")
            for row, o, e in zip(counts, off, out):
                f.write(" ".join(map(str, row)) + f" {o:.17g} " + " ".join(f"{x:.12g}" for x in e) + "\n")


# ------------------------------------------------------------------ spread
PRIOR = dict(slow=.02, fast=.02, sd=.03)


def shrink(est, se, prior, sd):
    w = 1 / se ** 2 + 1 / sd ** 2
    return max((est / se ** 2 + prior / sd ** 2) / w, 0.) + .5 / np.sqrt(w)


def fast_noise(n, x, P, own):
    """Short-term noise of hosts; own = a host's total against what was expected of it."""
    m, b = n.shape
    mu = n * P * own[:, None]
    q = np.clip(1 - P * own[:, None], 1e-6, 1.)
    den = ((mu * q) ** 2).sum()
    num = ((x - mu) ** 2).sum() * m / (m - 1) * b / (b - 1) - (mu * q).sum()
    return shrink(num / den, np.sqrt(2 / den), PRIOR["fast"], PRIOR["sd"])


def spread(n, x, canary, floor):
    """Real traffic: sums over blocks of requests times the fleet's rate in the same block; sums divided, not averaged."""
    bn, bx = n[~canary], x[~canary]
    m, blocks = bn.shape
    k = int(canary.sum())
    P = np.maximum(bx.sum(0) / np.maximum(bn.sum(0), 1), .5 / bn.sum())
    c = m / (m - 1.)
    r, v = [], []
    for sl in (slice(0, blocks // 2), slice(blocks // 2, blocks)):
        r.append(bx[:, sl].sum(1) - (bn[:, sl] * P[sl]).sum(1))
        v.append((bn[:, sl] * (P * (1 - P))[sl]).sum(1))
    T2 = np.mean([(r[i] ** 2 * c - v[i]).sum() / (v[i] ** 2).sum() for i in (0, 1)])
    C2 = (r[0] * r[1]).sum() * c / (v[0] * v[1]).sum()
    se = np.sqrt(2. / m) * (max(T2, 0.) + 1 / np.mean([v[0].mean(), v[1].mean()]))
    own = np.maximum(bx.sum(1), .5) / np.maximum((bn * P).sum(1), .5)
    F2 = fast_noise(bn, bx, P, own)
    C2 = shrink(C2, se, PRIOR["slow"], PRIOR["sd"])
    D2 = shrink(T2 - np.clip(C2, 0, max(T2, 0.)), se, 0., PRIOR["sd"])
    cn, cx = n[canary].sum(1), x[canary].sum(1)
    usual = (n[canary] * P).sum(1) / cn
    seen = np.log((cx + .5) / (cn - cx + .5)) - np.log(usual / (1 - usual))
    B = C2 / (C2 + 1 / (n[canary] * (P * (1 - P))).sum(1) + D2 / 2)
    return finish(C2, D2, F2, (B * seen).mean(), (C2 * (1 - B)).mean(), floor, k, m)


def prior_degrees(floor):
    """Satterthwaite's degrees of the prior alone: three components, each with half its sd added."""
    return 2 * (PRIOR["slow"] + PRIOR["fast"] + 1.5 * PRIOR["sd"] + floor ** 2) ** 2 / (3 * PRIOR["sd"] ** 2)


def finish(C2, D2, F2, centre, unexplained, floor, k, m):
    slow2, sc = unexplained + D2 + floor ** 2, 1. / k + 1. / m
    return dict(persistent=C2, drift=D2, fast=F2, centre=centre, s=np.clip(np.sqrt((slow2 + F2) * sc), .003, 1.5),
                s_slow=np.sqrt(slow2 * sc), s_fast=np.sqrt(F2 * sc), degrees=float(np.clip(m - 1, prior_degrees(floor), 60)))


def spread_by_totals(n, x, canary, floor):
    """The textbook form, from totals of half windows alone: for equal hosts and constant rates only."""
    m, k = int((~canary).sum()), int(canary.sum())
    half = n.shape[1] // 2
    per = float(n[0, :half].sum())
    A, B_ = x[:, :half].sum(1), x[:, half:].sum(1)
    bA, bB = A[~canary], B_[~canary]
    PA, PB = bA.mean() / per, bB.mean() / per
    vA, vB = per * PA * (1 - PA), per * PB * (1 - PB)
    rA, rB = bA - per * PA, bB - per * PB
    c = m / (m - 1.)
    T2 = .5 * (((rA ** 2).mean() * c - vA) / vA ** 2 + ((rB ** 2).mean() * c - vB) / vB ** 2)
    v = .5 * (vA + vB)
    se = np.sqrt(2. / m) * (max(T2, 0.) + 1 / v)
    C2 = shrink((rA * rB).mean() * c / (vA * vB), se, PRIOR["slow"], PRIOR["sd"])
    D2 = shrink(T2 - np.clip(C2, 0, max(T2, 0.)), se, 0., PRIOR["sd"])
    P = np.full(n.shape[1], .5 * (PA + PB))
    bn, bx = n[~canary], x[~canary]
    F2 = fast_noise(bn, bx, P, np.maximum(bx.sum(1), .5) / (bn * P).sum(1))
    xc = A[canary] + B_[canary]
    Pm = .5 * (PA + PB)
    uh = np.log((xc + .5) / (2 * per - xc + .5)) - np.log(Pm / (1 - Pm))
    B = C2 / (C2 + 1 / (2 * v) + D2 / 2)
    return finish(C2, D2, F2, (B * uh).mean(), (C2 * (1 - B)).mean(), floor, k, m)


def histories():
    rng = np.random.default_rng(21)

    def equal(hosts, k, blocks, requests, bad):
        """Every host the same requests in every block, and the baseline the same number of bad ones in all blocks."""
        m = hosts - k
        level = np.exp(.3 * rng.standard_normal(hosts))
        x = np.zeros((hosts, blocks))
        x[k:] = rng.multinomial(bad, level[k:] / level[k:].sum(), blocks).T
        x[:k] = rng.poisson(bad / m * level[:k, None], (k, blocks))
        return np.full((hosts, blocks), float(requests)), x, np.arange(hosts) < k
    for name, a in (("equal", (6, 1, 40, 400, 20)), ("equal_wide", (14, 2, 50, 1000, 130))):
        n, x, canary = equal(*a)
        a, b = spread(n, x, canary, .1), spread_by_totals(n, x, canary, .1)
        assert all(abs(a[key] - b[key]) <= 1e-12 * max(1, abs(a[key])) for key in a), (name, a, b)
        yield name, n, x, canary, .1
    hosts, blocks = 9, 56
    wave = 1 + .5 * np.sin(np.arange(blocks) / 9.)
    n = rng.poisson(300 * wave * np.exp(.4 * rng.standard_normal(hosts))[:, None]).astype(float)
    rate = np.where((np.arange(blocks) >= 20) & (np.arange(blocks) < 26), .05, .004)   # an incident
    noise = np.exp(.3 * rng.standard_normal(hosts)[:, None] + .2 * rng.standard_normal((hosts, blocks)))
    x = np.minimum(rng.poisson(n * rate * noise), n)
    yield "real_traffic", n, x, np.arange(hosts) < 2, .1


def write_spread():
    with open(HERE / "spread.txt", "w") as f:
        for name, n, x, canary, floor in histories():
            f.write(f"history {name} floor {floor!r} hosts {len(n)} blocks {n.shape[1]}\n")
            for h in range(len(n)):
                f.write(f"{int(canary[h])} " + " ".join(f"{a:.0f} {b:.0f}" for a, b in zip(n[h], x[h])) + "\n")
            f.write("null " + " ".join(f"{k} {v:.17g}" for k, v in spread(n, x, canary, floor).items()) + "\n")


def write_distributions():
    with open(HERE / "distributions.txt", "w") as f:
        for df in (1., 4., 5., 18., 60., 300.):
            for x in (-3., 0., .5, 2., 7.5, 40.):
                f.write(f"density {x!r} {df!r} {tdist.pdf(x, df):.17g}\ntail {x!r} {df!r} {tdist.sf(x, df):.17g}\n")
            for p in (.4, .05, .003, 1e-5, 1e-9):
                f.write(f"quantile {p!r} {df!r} {upper(p, df):.17g}\n")
        for p in (.4, .05, .003, 1e-5, 1e-9, 1e-15):
            f.write(f"normal {p!r} 0 {norm.isf(p):.17g}\n")


if __name__ == "__main__":
    write_processes()
    write_spread()
    write_distributions()

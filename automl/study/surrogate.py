"""INTERIM."""

from __future__ import annotations

import numpy as np
from optuna.distributions import CategoricalDistribution
from sklearn.ensemble import ExtraTreesRegressor


class Surrogate:
    def __init__(self, seed=0):
        self.seed = seed

    def fit(self, rows, distributions, targets, extra=None):
        self.cols = {}
        for d in distributions:
            for p, dist in d.items():
                if isinstance(dist, CategoricalDistribution):
                    for c in dist.choices:
                        self.cols.setdefault((p, c), len(self.cols))
                else:
                    self.cols.setdefault((p, dist), len(self.cols))
        self.f = ExtraTreesRegressor(30, min_samples_leaf=2, random_state=self.seed).fit(
            self.enc(rows, extra), targets
        )

    def enc(self, rows, extra):
        X = np.full((len(rows), len(self.cols)), -1.0)
        for i, r in enumerate(rows):
            for (p, c), j in self.cols.items():
                if p in r:
                    if isinstance(c, str):
                        X[i, j] = r[p] == c
                    else:
                        lo, hi, v = c.low, c.high, r[p]
                        if getattr(c, "log", False):
                            lo, hi, v = np.log([lo, hi, v])
                        X[i, j] = (v - lo) / max(hi - lo, 1e-12)
        return X if extra is None else np.column_stack([X, extra])

    def predict(self, rows, extra=None):
        X = self.enc(rows, extra)
        P = np.stack([t.predict(X).reshape(len(rows), -1) for t in self.f.estimators_])
        return P.mean(0), P.std(0) + 0.01


def expected_gain(front, mean, std, rng=None):
    from automl.pareto import _volume

    rng = np.random.default_rng(0)
    base = _volume([tuple(p) for p in front])
    out = []
    for m, s in zip(mean, std):
        ys = np.clip(m + s * rng.normal(size=(4, len(m))), 0, 1)
        out.append(np.mean([_volume([*map(tuple, front), tuple(y)]) - base for y in ys]))
    return np.array(out)

"""Tree ensembles on Statlog German Credit: a random forest, LightGBM and XGBoost.

    credit_trees.py            small ensembles, into tests/fixtures/ml
    credit_trees.py FOLDER     100 trees each, into FOLDER

Numeric columns stay the integers that they are, the others are one-hot: on integers every decision of the
proven model is exactly the library's. Beside each model NAME.onnx lie NAME.npz, test rows (x) and their
labels (y), and NAME.scores.json, the library's probabilities of both labels (1 is bad) for these rows.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas
from lightgbm import LGBMClassifier
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType as SklearnFloats
from xgboost import XGBClassifier

from common import FIXTURES, save_rows, session, spanning_rows
from credit_risk import LABEL, load

warnings.simplefilter("ignore")


def features(table, train):
    """The columns as float32 integers, and their names."""
    columns, names = [], []
    for name in table.columns:
        column = table[name].to_numpy()
        if pandas.api.types.is_numeric_dtype(table[name]):
            low, high = column[train].min(), column[train].max()
            columns.append(np.clip(column, low, high))
            names.append(name)
        else:
            levels = sorted(set(column[train]))
            columns += [column == level for level in levels]
            names += [f"{name}={level}" for level in levels]
    return np.stack(columns, axis=1).astype(np.float32), names


def ensembles(full):
    """Name, model and converter of each ensemble."""
    trees = 100 if full else 6
    forest = RandomForestClassifier(trees, max_depth=None if full else 4, random_state=0)
    boosted = {"n_estimators": trees, "learning_rate": 0.05 if full else 0.3, "random_state": 0}
    lightgbm = LGBMClassifier(num_leaves=31 if full else 6, verbose=-1, **boosted)
    xgboost = XGBClassifier(max_depth=6 if full else 3, **boosted)

    def by_sklearn(model, count):
        return convert_sklearn(
            model, "credit_forest", [("features", SklearnFloats([None, count]))], target_opset=17
        )

    def by_onnxmltools(convert, name):
        return lambda model, count: convert(
            model, name, [("features", FloatTensorType([None, count]))], target_opset=15
        )

    return [
        ("credit_forest", forest, by_sklearn),
        ("credit_lightgbm", lightgbm, by_onnxmltools(convert_lightgbm, "credit_lightgbm")),
        ("credit_xgboost", xgboost, by_onnxmltools(convert_xgboost, "credit_xgboost")),
    ]


def scores_of(runtime, x):
    """onnxruntime's probabilities of label 1, from an array or from ZipMap's dictionaries."""
    scores = runtime.run(None, {"features": x})[1]
    return np.array([s[1] for s in scores])


def main():
    full = len(sys.argv) > 1
    folder = Path(sys.argv[1]) if full else FIXTURES / "ml"
    folder.mkdir(parents=True, exist_ok=True)
    table = load()
    y = (table.pop(LABEL) == "bad").to_numpy(dtype=np.int64)
    train, test = train_test_split(np.arange(len(y)), test_size=0.3, stratify=y, random_state=0)
    x, _ = features(table, train)
    rows = spanning_rows(x[train], 200, seed=0)
    save_rows(folder / "credit.calibration.npz", x=x[train][rows], y=y[train][rows])
    for name, model, convert in ensembles(full):
        model.fit(x[train], y[train])
        onnx = convert(model, x.shape[1])
        expected = model.predict_proba(x[test])[:, 1]
        gap = np.abs(scores_of(session(onnx), x[test]) - expected).max()
        if not gap < 1e-5:
            raise SystemExit(f"{name}: onnxruntime is {gap} away from the library")
        (folder / f"{name}.onnx").write_bytes(onnx.SerializeToString(deterministic=True))
        few = slice(None) if full else slice(0, 40)
        save_rows(folder / f"{name}.npz", x=x[test][few], y=y[test][few])
        scores = [[1 - p, p] for p in expected[few].tolist()]
        (folder / f"{name}.scores.json").write_text(json.dumps(scores) + "\n")
        accuracy, auc = accuracy_score(y[test], expected > 0.5), roc_auc_score(y[test], expected)
        print(f"{name}: accuracy {accuracy:.3f}, AUC {auc:.3f}, onnxruntime differs by {gap:.1e}")


if __name__ == "__main__":
    main()

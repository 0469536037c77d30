"""Classical models of ai.onnx.ml on iris and breast-cancer data, into tests/fixtures/ml.

Each model NAME.onnx has one input, `x`, of float32. Beside it lie NAME.npz, test rows (x), and NAME.scores.json, what
onnxruntime gives for them (the scores differ from the library's by less than 1e-3, or the script stops).
"""

import json
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType

from common import FIXTURES, save_rows, session

warnings.simplefilter("ignore")


def models():
    """Name, data (the target is a number where it says so) and model."""
    boosted = {"n_estimators": 4, "max_depth": 2, "random_state": 0}
    forest = RandomForestClassifier(4, max_depth=3, random_state=0)
    return [
        ("forest_3_classes", "iris", forest),
        ("boosted_3_classes", "iris", GradientBoostingClassifier(**boosted)),
        ("boosted_2_classes", "cancer", GradientBoostingClassifier(**boosted)),
        ("boosted_regressor", "iris number", GradientBoostingRegressor(**boosted)),
        ("scaled_tree", "iris", make_pipeline(MinMaxScaler(), DecisionTreeClassifier(max_depth=3))),
        ("logistic", "cancer", make_pipeline(StandardScaler(), LogisticRegression())),
        ("softmax", "iris", LogisticRegression()),
        ("normalised_l2", "iris number", make_pipeline(Normalizer("l2"), LinearRegression())),
        ("normalised_l1", "iris number", make_pipeline(Normalizer("l1"), LinearRegression())),
        ("svr_rbf", "iris number", make_pipeline(StandardScaler(), SVR())),
        ("svr_poly", "iris number", make_pipeline(StandardScaler(), SVR(kernel="poly", degree=2))),
        ("svr_linear", "iris number", SVR(kernel="linear")),
        ("svc_rbf", "iris pair", make_pipeline(StandardScaler(), SVC())),
        ("svc_probability", "iris pair", make_pipeline(StandardScaler(), SVC(probability=True))),
    ]


def data(kind):
    x, y = load_breast_cancer(return_X_y=True) if kind == "cancer" else load_iris(return_X_y=True)
    if kind == "cancer":
        # An input tensor has one scale: bring its features to one magnitude.
        x = x / x.max(axis=0)
    if kind == "iris pair":
        x, y = x[50:], y[50:] - 1
    if kind == "iris number":
        x, y = x[:, :3], x[:, 3]
    return train_test_split(x.astype(np.float32), y, test_size=0.3, random_state=0)


def main():
    folder = FIXTURES / "ml"
    for name, kind, model in models():
        x, test, y, _ = data(kind)
        model.fit(x, y)
        kinds = [("x", FloatTensorType([None, x.shape[1]]))]
        # Without ZipMap where it can be left out: both forms occur.
        options = {id(model): {"zipmap": False}} if name == "boosted_3_classes" else None
        onnx = convert_sklearn(model, name, kinds, options=options, target_opset=17)
        outputs = session(onnx).run(None, {"x": test})
        scores = outputs[-1]
        if isinstance(scores, list):
            scores = np.array([[row[k] for k in sorted(row)] for row in scores])
        scores = np.asarray(scores, dtype=np.float64).reshape(len(test), -1)
        if hasattr(model, "predict_proba"):
            expected = model.predict_proba(test)
        elif hasattr(model, "decision_function"):
            decision = model.decision_function(test)
            # The exporter's order: the score of class 1, then its opposite.
            expected = np.stack([decision, -decision], axis=1)
        else:
            expected = model.predict(test)[:, None]
        gap = np.abs(scores - expected).max()
        if not gap < 1e-3:
            raise SystemExit(f"{name}: onnxruntime is {gap} away from the library")
        (folder / f"{name}.onnx").write_bytes(onnx.SerializeToString(deterministic=True))
        save_rows(folder / f"{name}.npz", x=test[:30])
        (folder / f"{name}.scores.json").write_text(json.dumps(scores[:30].tolist()) + "\n")
        print(f"{name}: onnxruntime differs by {gap:.1e}")


if __name__ == "__main__":
    main()

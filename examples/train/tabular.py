"""Two-class models on tables: a scikit-learn MLP, exported as Gemm, activation, ..., Sigmoid."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.neural_network import MLPClassifier

from common import Builder, check, spanning_rows, write_fixture

ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh"}


class Scaler:
    """(x - mean) / deviation of the training rows, clipped to the range they span."""

    def __init__(self, train):
        self.mean, self.deviation = train.mean(axis=0), train.std(axis=0)
        self.low, self.high = train.min(axis=0), train.max(axis=0)

    def __call__(self, values):
        return (np.clip(values, self.low, self.high) - self.mean) / self.deviation


def train_and_write(name, train, test, hidden, activation, alpha, epochs, details):
    """Trains on (x, y), writes the fixture `name`; label 1 is the event whose probability the
    model gives."""
    (x_train, y_train), (x_test, y_test) = train, test
    x_train, x_test = x_train.astype(np.float32), x_test.astype(np.float32)
    mlp = MLPClassifier(
        hidden,
        activation=activation,
        alpha=alpha,
        max_iter=epochs,
        learning_rate_init=1e-3,
        batch_size=32,
        n_iter_no_change=epochs,  # a fixed number of epochs: no early stop
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it stops at `epochs`, as meant
        mlp.fit(x_train.astype(np.float64), y_train)

    builder = Builder(name, "features", [1, x_train.shape[1]])
    layers = list(zip(mlp.coefs_, mlp.intercepts_))
    for i, (weight, bias) in enumerate(layers, start=1):
        builder.dense(f"dense{i}", weight, bias)
        if i < len(layers):
            builder.node(ACTIVATIONS[activation], f"{activation}{i}")
    model = builder.node("Sigmoid", "sigmoid", output="probability").model([1, 1])

    probability = mlp.predict_proba(x_test.astype(np.float64))[:, 1]
    gap = check(model, x_test, probability[:, None])
    rows = spanning_rows(x_train, 200, seed=0)
    write_fixture(
        model,
        (x_train[rows], y_train[rows]),
        (x_test, y_test),
        {
            "float": {
                "accuracy": float(accuracy_score(y_test, probability > 0.5)),
                "auc": float(roc_auc_score(y_test, probability)),
                "majority_accuracy": float(max(y_test.mean(), 1 - y_test.mean())),
                "predicted_positive_rate": float((probability > 0.5).mean()),
                "train_accuracy": float(mlp.score(x_train.astype(np.float64), y_train)),
            },
            "threshold": 0.5,
            "onnxruntime_gap": gap,
            **details,
        },
    )

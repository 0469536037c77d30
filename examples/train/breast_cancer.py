"""Breast cancer (Wisconsin diagnostic, 569 tumours): the probability that it is benign.

MLP 30 -> 16 -> 1, Tanh, sigmoid; all columns standardised.
"""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from tabular import Scaler, train_and_write


def main():
    data = load_breast_cancer()
    y = data.target.astype(np.int64)
    train, test = train_test_split(np.arange(len(y)), test_size=0.3, stratify=y, random_state=0)
    scaler = Scaler(data.data[train])
    x = scaler(data.data)
    train_and_write(
        "breast_cancer",
        (x[train], y[train]),
        (x[test], y[test]),
        hidden=(16,),
        activation="tanh",
        alpha=0.3,  # alpha and epochs: by 5-fold cross-validation on the training split
        epochs=80,
        details={
            "task": "probability that the tumour is benign; label 1 = benign",
            "feature_names": [str(n) for n in data.feature_names],
            "encoding": [
                {"column": str(n), "mean": float(scaler.mean[i]),
                 "deviation": float(scaler.deviation[i]),
                 "low": float(scaler.low[i]), "high": float(scaler.high[i])}
                for i, n in enumerate(data.feature_names)
            ],
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()

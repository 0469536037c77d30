"""Transformers. Token embeddings are inputs: looking them up is no arithmetic, and models share the rest."""

import numpy as np
from network import Network

FAR = -1e4


def layer_norm(net, x, width):
    scale = net.weight("scale", 1 + net.normal(0.01, width))
    bias = net.weight("shift", net.normal(0.01, width))
    return net.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-5)


def rms_norm(net, x, width):
    square = net.node("Pow", x, net.constant(np.float32(2)))
    mean = net.node("ReduceMean", square, axes=[-1], keepdims=1)
    root = net.node("Sqrt", net.node("Add", mean, net.constant(np.float32(1e-5))))
    unit = net.node("Mul", x, net.node("Reciprocal", root))
    return net.node("Mul", unit, net.weight("scale", 1 + net.normal(0.01, width)))


def gelu(net, x):
    """As exporters write it."""
    y = net.node("Erf", net.node("Div", x, net.constant(np.float32(2**0.5))))
    y = net.node("Mul", x, net.node("Add", y, net.constant(np.float32(1))))
    return net.node("Mul", y, net.constant(np.float32(0.5)))


def gelu_tanh(net, x):
    """GPT-2's."""
    cube = net.node("Pow", x, net.constant(np.float32(3)))
    y = net.node("Add", x, net.node("Mul", cube, net.constant(np.float32(0.044715))))
    y = net.node("Tanh", net.node("Mul", y, net.constant(np.float32((2 / np.pi) ** 0.5))))
    y = net.node("Mul", x, net.node("Add", y, net.constant(np.float32(1))))
    return net.node("Mul", y, net.constant(np.float32(0.5)))


def attention(net, x, tokens, width, heads, mask=None, gain=1.0):
    size = width // heads

    def split(order):
        y = net.reshape(net.linear(x, width, width), 1, tokens, heads, size)
        return net.node("Transpose", y, perm=order)

    query, key, value = split([0, 2, 1, 3]), split([0, 2, 3, 1]), split([0, 2, 1, 3])
    scores = net.node("MatMul", query, key)
    scores = net.node("Mul", scores, net.constant(np.float32(size**-0.5)))
    if mask is not None:
        scores = net.node("Add", scores, mask)
    y = net.node("MatMul", net.node("Softmax", scores, axis=-1), value)
    y = net.reshape(net.node("Transpose", y, perm=[0, 2, 1, 3]), 1, tokens, width)
    return net.linear(y, width, width, gain)


def encoder(name, seed, layers, tokens, width, heads, wide):
    """BERT's: norms after the residual sums."""
    net = Network(name, seed)
    x = net.input("input", [1, tokens, width])
    x = net.node("Add", x, net.weight("positions", net.normal(0.0004, 1, tokens, width)))
    x = layer_norm(net, x, width)
    for _ in range(layers):
        x = layer_norm(net, net.node("Add", x, attention(net, x, tokens, width, heads)), width)
        y = net.linear(gelu(net, net.linear(x, width, wide)), wide, width)
        x = layer_norm(net, net.node("Add", x, y), width)
    net.output("output", x, [1, tokens, width])
    return net, lambda random, rows: {"input": embeddings(random, rows, 0.0025, tokens, width)}


def embeddings(random, rows, variance, *shape):
    return random.standard_normal((rows, *shape)) * variance**0.5


def gpt2(name, seed, layers, tokens, width, heads, vocabulary):
    """Norms before; a causal mask; the logits of the last position, by the token embedding."""
    net = Network(name, seed)
    x = net.input("input", [1, tokens, width])
    x = net.node("Add", x, net.weight("positions", net.normal(0.0004, 1, tokens, width)))
    mask = net.constant(np.triu(np.full((1, 1, tokens, tokens), FAR, np.float32), 1))
    small = 1 / (2 * layers)
    for _ in range(layers):
        y = layer_norm(net, x, width)
        x = net.node("Add", x, attention(net, y, tokens, width, heads, mask, small))
        y = gelu_tanh(net, net.linear(layer_norm(net, x, width), width, 4 * width))
        x = net.node("Add", x, net.linear(y, 4 * width, width, small))
    x = layer_norm(net, net.slice(x, 1, tokens - 1, tokens), width)
    x = net.reshape(x, 1, width)
    net.output("output", net.linear(x, width, vocabulary, bias=False), [1, vocabulary])
    return net, lambda random, rows: {"input": embeddings(random, rows, 0.02, tokens, width)}


def llama(name, seed, layers, past, width, wide, heads, groups, vocabulary):
    """One new token after `past` ones, whose keys (already turned) and values are inputs.

    Grouped queries, rotary positions, RMS norms, a gated feed-forward part, no biases."""
    net = Network(name, seed)
    size = width // heads
    x = net.input("input", [1, 1, width])
    angle = past * 10000.0 ** (-2 * np.arange(size // 2) / size)
    cosine = net.constant(np.tile(np.cos(angle), 2).astype(np.float32))
    sine = net.constant(np.tile(np.sin(angle), 2).astype(np.float32))

    def turned(y):
        half = size // 2
        minus = net.node("Neg", net.slice(y, 3, half, size))
        other = net.node("Concat", minus, net.slice(y, 3, 0, half), axis=3)
        return net.node("Add", net.node("Mul", y, cosine), net.node("Mul", other, sine))

    small = 1 / (2 * layers)
    for layer in range(layers):
        cache = [1, groups, past, size]
        keys = net.input(f"past_key_{layer}", cache)
        values = net.input(f"past_value_{layer}", cache)
        y = rms_norm(net, x, width)
        # Queries that share a key are rows of one product.
        query = net.reshape(net.linear(y, width, width, bias=False), 1, groups, heads // groups, size)
        narrow = groups * size
        key = net.reshape(net.linear(y, width, narrow, bias=False), 1, groups, 1, size)
        value = net.reshape(net.linear(y, width, narrow, bias=False), 1, groups, 1, size)
        keys = net.node("Concat", keys, turned(key), axis=2)
        values = net.node("Concat", values, value, axis=2)
        scores = net.node("MatMul", turned(query), net.node("Transpose", keys, perm=[0, 1, 3, 2]))
        scores = net.node("Mul", scores, net.constant(np.float32(size**-0.5)))
        y = net.node("MatMul", net.node("Softmax", scores, axis=-1), values)
        y = net.linear(net.reshape(y, 1, 1, width), width, width, small, bias=False)
        x = net.node("Add", x, y)
        y = rms_norm(net, x, width)
        gate = net.linear(y, width, wide, bias=False)
        gate = net.node("Mul", gate, net.node("Sigmoid", gate))
        y = net.node("Mul", gate, net.linear(y, width, wide, bias=False))
        x = net.node("Add", x, net.linear(y, wide, width, small, bias=False))
    x = net.reshape(rms_norm(net, x, width), 1, width)
    net.output("output", net.linear(x, width, vocabulary, bias=False), [1, vocabulary])

    def data(random, rows):
        arrays = {"input": embeddings(random, rows, 0.02, 1, width)}
        for layer in range(layers):
            for kind in ("key", "value"):
                arrays[f"past_{kind}_{layer}"] = embeddings(random, rows, 1.0, groups, past, size)
        return arrays

    return net, data

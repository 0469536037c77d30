"""Image networks and multi-layer perceptrons. Batch norms are folded into convolutions, as for inference."""

import numpy as np
from network import Network


def digits(random, rows, *shape):
    """Values in [0, 1], half of them 0: like scanned digits."""
    return random.random((rows, *shape)) ** 2 * (random.random((rows, *shape)) < 0.5)


def photos(random, rows, channels, side):
    """Noise of several wavelengths, normalised: neighbouring pixels are alike, as in photos."""
    image = np.zeros((rows, channels, side, side))
    size = 4
    while size <= side:
        noise = random.standard_normal((rows, channels, size, size))
        image += np.kron(noise, np.ones((side // size, side // size))) * 2 / size**0.5
        size = size * 2 if side % (size * 2) == 0 else side + 1
    image -= image.mean(axis=(1, 2, 3), keepdims=True)
    return (image / image.std(axis=(1, 2, 3), keepdims=True)).clip(-2.5, 2.5)


def mlp(name, seed, sizes):
    net = Network(name, seed)
    x = net.input("input", [1, sizes[0]])
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        x = net.gemm(x, inputs, outputs)
        if i < len(sizes) - 2:
            x = net.relu(x)
    net.output("output", x, [1, sizes[-1]])
    return net, lambda random, rows: {"input": digits(random, rows, sizes[0])}


def lenet(name, seed):
    net = Network(name, seed)
    x = net.input("input", [1, 1, 28, 28])
    x = net.max_pool(net.relu(net.conv(x, 1, 6, 5)))
    x = net.max_pool(net.relu(net.conv(x, 6, 16, 5, pad=0)))
    x = net.node("Flatten", x, axis=1)
    x = net.relu(net.gemm(x, 400, 120))
    x = net.relu(net.gemm(x, 120, 84))
    net.output("output", net.gemm(x, 84, 10), [1, 10])
    return net, lambda random, rows: {"input": digits(random, rows, 1, 28, 28)}


VGG_11 = [64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0]
VGG_16 = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]


def vgg(name, seed, layers):
    """For 32x32 and 10 classes: one dense layer after the convolutions. 0: max pooling."""
    net = Network(name, seed)
    x, channels = net.input("input", [1, 3, 32, 32]), 3
    for outputs in layers:
        if outputs:
            x, channels = net.relu(net.conv(x, channels, outputs, 3)), outputs
        else:
            x = net.max_pool(x)
    x = net.node("Flatten", x, axis=1)
    net.output("output", net.gemm(x, channels, 10), [1, 10])
    return net, lambda random, rows: {"input": photos(random, rows, 3, 32)}


def resnet(name, seed, blocks, bottleneck, side):
    """Of 32x32 images the stem keeps the size, of larger ones it keeps a quarter."""
    net = Network(name, seed)
    x = net.input("input", [1, 3, side, side])
    if side == 32:
        x = net.relu(net.conv(x, 3, 64, 3))
    else:
        x = net.max_pool(net.relu(net.conv(x, 3, 64, 7, 2)), 3, 2, 1)
    channels = 64
    # Trained batch norms keep the sum over residuals from growing: here the branches are small.
    small = 2 / sum(blocks)
    for stage, count in enumerate(blocks):
        width = 64 << stage
        outputs = 4 * width if bottleneck else width
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            if bottleneck:
                y = net.relu(net.conv(x, channels, width, 1))
                y = net.relu(net.conv(y, width, width, 3, stride))
                y = net.conv(y, width, outputs, 1, gain=small)
            else:
                y = net.relu(net.conv(x, channels, width, 3, stride))
                y = net.conv(y, width, outputs, 3, gain=small)
            if stride > 1 or channels != outputs:
                x = net.conv(x, channels, outputs, 1, stride, gain=1.0)
            x, channels = net.relu(net.node("Add", x, y)), outputs
    return classified(net, x, channels, 10 if side == 32 else 1000, side)


def mobilenet(name, seed, side):
    net = Network(name, seed)
    low, high = net.constant(np.float32(0)), net.constant(np.float32(6))

    def relu6(x):
        return net.node("Clip", x, low, high)

    x = net.input("input", [1, 3, side, side])
    x, channels = relu6(net.conv(x, 3, 32, 3, 2)), 32
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)]
    stages += [(6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, outputs, count, first in stages:
        for block in range(count):
            stride = first if block == 0 else 1
            wide = channels * expansion
            y = relu6(net.conv(x, channels, wide, 1)) if expansion > 1 else x
            y = relu6(net.conv(y, wide, wide, 3, stride, groups=wide))
            residual = stride == 1 and channels == outputs
            y = net.conv(y, wide, outputs, 1, gain=0.5 if residual else 1.0)
            x, channels = net.node("Add", x, y) if residual else y, outputs
    x = relu6(net.conv(x, channels, 1280, 1))
    return classified(net, x, 1280, 1000, side)


def classified(net, x, channels, classes, side):
    x = net.node("Flatten", net.node("GlobalAveragePool", x), axis=1)
    net.output("output", net.gemm(x, channels, classes), [1, classes])
    return net, lambda random, rows: {"input": photos(random, rows, 3, side)}


def convolutions(name, seed, side):
    """Three layers of eight channels: few weights, activations as the image grows."""
    net = Network(name, seed)
    x, channels = net.input("input", [1, 1, side, side]), 1
    for _ in range(3):
        x, channels = net.relu(net.conv(x, channels, 8, 3)), 8
    x = net.node("Flatten", net.node("GlobalAveragePool", x), axis=1)
    net.output("output", net.gemm(x, channels, 10), [1, 10])
    return net, lambda random, rows: {"input": digits(random, rows, 1, side, side)}

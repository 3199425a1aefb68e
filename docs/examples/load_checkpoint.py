"""Load a tutorial checkpoint with plain torch: load_checkpoint.py FILE MNIST_FOLDER."""

import sys

import torch
from torch.nn import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from torchvision.datasets import MNIST

layers = [Conv2d(1, 8, 5, padding=2), ReLU(), MaxPool2d(2), Conv2d(8, 16, 5, padding=2), ReLU()]
layers += [Conv2d(16, 32, 5, padding=2), ReLU(), MaxPool2d(2), Conv2d(32, 256, 5, padding=2)]
network = Sequential(*layers, ReLU(), Flatten(), Linear(256 * 7 * 7, 10)).eval()
network.load_state_dict(torch.load(sys.argv[1], weights_only=True)["state_dict"])
test = MNIST(sys.argv[2], train=False)
with torch.no_grad():
    found = [network(part[:, None] / 255).argmax(1) for part in test.data.split(1000)]
print(f"test accuracy {(torch.cat(found) == test.targets).double().mean():.2%}")

"""Run an exported MNIST network without torch: load_onnx.py FILE MNIST_FOLDER."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
raw = Path(sys.argv[2]) / "MNIST/raw"
# IDX files: a header of 16 bytes before the pixels, of 8 before the labels
pixels = np.fromfile(raw / "t10k-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 1, 28, 28)
labels = np.fromfile(raw / "t10k-labels-idx1-ubyte", np.uint8)[8:]
images = pixels.astype(np.float32) / 255
parts = (images[begin : begin + 1000] for begin in range(0, len(images), 1000))
found = np.concatenate([session.run(None, {"images": part})[0].argmax(1) for part in parts])
print(f"test accuracy {(found == labels).mean():.2%}")

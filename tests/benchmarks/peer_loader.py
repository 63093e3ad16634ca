#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""torchvision's ImageFolder with a DataLoader, to set beside `bench_loader`: the same files, resize, crop and workers.

    peer_loader.py --images DIR --side 32 --batch 64 --workers 2 --epochs 3 [--shuffle]

The pixels stay bytes, as ours do, so nothing but reading, decoding, resizing, cropping and collating is timed. Prints one JSON line:
images per second of each epoch after the first, and a checksum of all pixels in the order of the files (`sha256`).
"""
import argparse
import hashlib
import json
import statistics
import time

import numpy
import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize


class Pixels:
    def __call__(self, image):
        return torch.from_numpy(numpy.array(image, dtype=numpy.uint8))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--images", required=True)
    p.add_argument("--side", type=int, default=32)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--epochs", type=int, default=3)
    a = p.parse_args()
    torch.set_num_threads(1)
    transform = Compose([Resize(a.side, InterpolationMode.BICUBIC), CenterCrop(a.side), Pixels()])
    images = ImageFolder(a.images, transform)

    digest = hashlib.sha256()
    for i in range(len(images)):
        digest.update(images[i][0].numpy().tobytes())

    loader = DataLoader(images, batch_size=a.batch, shuffle=True, num_workers=a.workers, drop_last=True, persistent_workers=True,
                        prefetch_factor=4)
    rates = []
    for epoch in range(a.epochs + 1):
        seen = 0
        start = time.perf_counter()
        for batch, _ in loader:
            seen += batch.shape[0]
        if epoch:  # the first starts the workers
            rates.append(seen / (time.perf_counter() - start))
    print(json.dumps({"images_per_s": statistics.median(rates), "epochs": rates, "sha256": digest.hexdigest(), "images": len(images),
                      "workers": a.workers}))


if __name__ == "__main__":
    main()

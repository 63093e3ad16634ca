#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""torchvision's ImageFolder and timm's transforms with a DataLoader, to set beside `bench_augment`: the DeiT recipe on the same files.

    peer_augment.py --images DIR --draws FILE             repeats the draws that `bench_augment draws` printed; prints the checksum
    peer_augment.py --images DIR --batch 64 --workers 2 --epochs 3      images per second: RandomResizedCrop, flip, RandAugment,
                                                          ToTensor, Normalize, RandomErasing
"""
import argparse
import hashlib
import json
import random
import statistics
import time

import numpy
import torch
import torchvision.transforms.functional as functional
from PIL import Image
from timm.data.auto_augment import rand_augment_transform
from timm.data.random_erasing import RandomErasing
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, InterpolationMode, Normalize, RandomHorizontalFlip, RandomResizedCrop, ToTensor

SIDE = 224


def rand_augment():
    return rand_augment_transform("rand-m9-mstd0.5-inc1", dict(translate_const=100, img_mean=(124, 116, 104), interpolation=Image.BICUBIC))


def repeated(images, draws):
    """The checksum of all pixels when every random function gives what ours drew."""
    transform, digest = rand_augment(), hashlib.sha256()
    kept = random.random, random.gauss, numpy.random.choice
    for i, row in enumerate(draws["images"]):
        image, _ = images[i]
        image = functional.resized_crop(image, *row["top_left_height_width"], (SIDE, SIDE), InterpolationMode.BICUBIC)
        if row["flip"]:
            image = functional.hflip(image)
        values = iter(row["draws"])
        numpy.random.choice = lambda ops, n, **_: [ops[next(values)] for _ in range(n)]
        random.random = lambda: next(values)
        random.gauss = lambda *_: next(values)
        try:
            image = transform(image)
        finally:
            random.random, random.gauss, numpy.random.choice = kept
        digest.update(numpy.asarray(image).tobytes())
    return {"sha256": digest.hexdigest()}


def timed(a):
    transform = Compose([RandomResizedCrop(SIDE, interpolation=InterpolationMode.BICUBIC), RandomHorizontalFlip(), rand_augment(), ToTensor(),
                         Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
                         RandomErasing(0.25, mode="pixel", max_count=1, num_splits=0, device="cpu")])
    images = ImageFolder(a.images, transform)
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
    return {"images_per_s": statistics.median(rates), "epochs": rates, "images": len(images), "workers": a.workers}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--images", required=True)
    p.add_argument("--draws")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--epochs", type=int, default=3)
    a = p.parse_args()
    torch.set_num_threads(1)
    if a.draws:
        with open(a.draws) as file:
            print(json.dumps(repeated(ImageFolder(a.images), json.load(file))))
    else:
        print(json.dumps(timed(a)))


if __name__ == "__main__":
    main()

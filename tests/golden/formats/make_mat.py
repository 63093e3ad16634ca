"""mat: MATLAB files as scipy writes them, in the shapes of the published label files.

    python make_mat.py --out DIR      writes DIR/mat/*
"""
import argparse
from pathlib import Path

import numpy as np
import scipy.io

parser = argparse.ArgumentParser()
parser.add_argument("--out", required=True)
folder = Path(parser.parse_args().out) / "mat"
folder.mkdir(parents=True, exist_ok=True)

kind = [("bbox_x1", object), ("class", object), ("fname", object)]
annotations = np.zeros((1, 3), dtype=kind)
for i, (x, label, name) in enumerate([(39, 14, "00001.jpg"), (36, 3, "00002.jpg"), (85, 91, "00003.jpg")]):
    annotations[0, i] = (np.uint16(x), np.uint8(label), name)
names = np.empty((1, 3), dtype=object)
names[0] = ["AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012", "Citroën ü𝄞"]
values = {
    "labels": np.array([[77, 1, 102, 5]], dtype=np.uint8),
    "trnid": np.array([[6765.0, 2, 300000]]),
    "grid": np.arange(6, dtype=np.int32).reshape(2, 3),
    "rows": np.array(["ab", "cd"]),
    "annotations": annotations,
    "class_names": names,
}
for file, packed in (("plain.mat", False), ("packed.mat", True)):
    scipy.io.savemat(folder / file, values, do_compression=packed)
    raw = bytearray((folder / file).read_bytes())
    raw[:116] = b"MATLAB 5.0 MAT-file, written for a test".ljust(116)  # without the date
    (folder / file).write_bytes(raw)

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


def cars(rows, name, test=False):
    kind = [("bbox_x1", object), ("class", object), (name, object)] + ([("test", object)] if test else [])
    array = np.zeros((1, len(rows)), dtype=kind)
    for i, (file, label, *more) in enumerate(rows):
        array[0, i] = (np.uint16(i), np.uint8(label), file, *[np.uint8(v) for v in more])
    return array


files = [
    ("plain.mat", values),
    ("packed.mat", values),
    ("flowers/imagelabels.mat", {"labels": np.array([[1, 1, 102, 102, 1, 102]], dtype=np.uint8)}),
    ("flowers/setid.mat", {"trnid": np.array([[1.0, 3]]), "valid": np.array([[5.0]]), "tstid": np.array([[2.0, 4, 6]])}),
    ("cars/cars_meta.mat", {"class_names": names}),
    ("cars/cars_train_annos.mat", {"annotations": cars([("00001.jpg", 1), ("00002.jpg", 2)], "fname")}),
    ("cars/cars_test_annos_withlabels.mat", {"annotations": cars([("00001.jpg", 2), ("00002.jpg", 3)], "fname")}),
    ("cars/cars_annos.mat", {"class_names": names, "annotations": cars(
        [("car_ims/000001.jpg", 1, 0), ("car_ims/000002.jpg", 2, 1)], "relative_im_path", True)}),
    ("cars/outside.mat", {"class_names": names, "annotations": cars([("../secret.jpg", 1, 0)], "relative_im_path", True)}),
]
for file, content in files:
    (folder / file).parent.mkdir(exist_ok=True)
    scipy.io.savemat(folder / file, content, do_compression=file != "plain.mat")
    raw = bytearray((folder / file).read_bytes())
    raw[:116] = b"MATLAB 5.0 MAT-file, written for a test".ljust(116)  # without the date
    (folder / file).write_bytes(raw)

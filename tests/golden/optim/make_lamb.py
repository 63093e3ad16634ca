"""lamb.json: steps of timm's LAMB on a decayed matrix and a bias without decay, each also in float64.

Called: timm.optim.Lamb of the installed timm. usage: python make_lamb.py --out DIR [--held-out]
"""
import argparse, json, pathlib, sys

import timm
import torch
from timm.optim import Lamb
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from fill import fill_input, fill_parameter  # noqa: E402

args = argparse.ArgumentParser()
args.add_argument("--out", required=True)
args.add_argument("--held-out", action="store_true")
args = args.parse_args()
TAG = "held." if args.held_out else ""
SHAPES = {"w": (2, 5), "bias": (3,)} if args.held_out else {"w": (3, 4), "bias": (5,)}
STEPS = 5
CASES = {"decay": dict(lr=2e-2, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.02),
         "fast_moments": dict(lr=1e-2, betas=(0.7, 0.95), eps=1e-4, weight_decay=0.3),
         "no_decay": dict(lr=5e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0)}
if args.held_out:
    CASES = {k: {**c, "lr": c["lr"] * 0.7} for k, c in CASES.items()}
torch.set_num_threads(1)


def run(options, dtype, clip):
    p = {k: nn.Parameter(fill_parameter(k, s).to(dtype)) for k, s in SHAPES.items()}
    groups = [{"params": [p["w"]]}, {"params": [p["bias"]], "weight_decay": 0.0}]
    optimizer, rows = Lamb(groups, **options, max_grad_norm=clip, foreach=False), []
    for i in range(STEPS):
        for k, v in p.items():
            v.grad = fill_input(f"input:{TAG}optim.grad.{k}.{i}", *v.shape).to(dtype) * (0.01 if i == 3 else 1.0)
        optimizer.step()
        rows.append([float(x) for v in p.values() for x in v.detach().flatten()])
    return rows


out = {"about": f"w {list(SHAPES['w'])} with weight decay and bias {list(SHAPES['bias'])} without, filled by name; gradient of step i: "
                f"input:{TAG}optim.grad.<name>.<i>, times 0.01 at i = 3; one row per step, w then bias flattened",
       "made_with": f"timm {timm.__version__}, torch {torch.__version__}", "tag": TAG, "shapes": SHAPES,
       "tolerance": "float32 2e-6 absolute (clipping divides by norm + 1e-6 here and by the norm there)", "cases": {}}
for name, options in CASES.items():
    for clip in (None, 1.0):
        out["cases"][name + ("" if clip is None else "_clipped")] = {
            **options, "max_grad_norm": clip or 0.0, "float32": run(options, torch.float32, clip), "float64": run(options, torch.float64, clip)}
pathlib.Path(args.out).mkdir(parents=True, exist_ok=True)
(pathlib.Path(args.out) / "lamb.json").write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in out.items()) + "\n}\n")

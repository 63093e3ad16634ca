#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Step time of the published Python trainer, to set beside `espalier-worker bench` in one run on one machine.

    peer_step.py --peers DIR [--model unet-cifar10] [--batch 8] [--steps 10] [--device cpu|cuda] [--precision fp32|bf16]
                 [--threads N] [--fused]

A step is what the published loop does: zero_grad, forward, loss, backward, gradient clipping, optimizer step, EMA update.
Data are random tensors already on the device. Prints one JSON line. DIR holds a checkout named ddpm-torch (the public
repository tqch/ddpm-torch). --fused uses torch's fused Adam and a foreach EMA: the best a careful Python user gets
without changing the model.
"""
import argparse
import contextlib
import json
import pathlib
import resource
import statistics
import sys
import time
import types
from collections import OrderedDict
from copy import deepcopy

import torch


def published(peers):
    """The published model and diffusion, without the plotting and the metrics that its package imports on the way."""
    root = pathlib.Path(peers) / "ddpm-torch"
    if not (root / "ddpm_torch").is_dir():
        sys.exit(f"{root} holds no ddpm_torch")
    package = types.ModuleType("ddpm_torch")
    package.__path__ = [str(root / "ddpm_torch")]
    sys.modules["ddpm_torch"] = package
    from ddpm_torch.diffusion import GaussianDiffusion, get_beta_schedule
    from ddpm_torch.models.unet import UNet

    config = json.loads((root / "configs" / "cifar10.json").read_text())["model"]
    config.pop("in_channels", None)
    config.pop("out_channels", None)
    model = UNet(in_channels=3, out_channels=3, **config)
    betas = get_beta_schedule("linear", beta_start=1e-4, beta_end=0.02, timesteps=1000)
    diffusion = GaussianDiffusion(betas=betas, model_mean_type="eps", model_var_type="fixed-large", loss_type="mse")

    def loss(net, batch, device):
        x = torch.rand(batch, 3, 32, 32, device=device) * 2 - 1
        t = torch.empty((batch,), dtype=torch.int64, device=device).random_(to=1000)
        return diffusion.train_losses(net, x_0=x, t=t, noise=torch.randn_like(x)).mean()

    return model, loss


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--peers", required=True)
    p.add_argument("--model", default="unet-cifar10", choices=["unet-cifar10"])
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--warmup", type=int, default=3)
    p.add_argument("--device", default="cpu")
    p.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    p.add_argument("--fused", action="store_true")
    p.add_argument("--threads", type=int, default=0)
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    model, loss_of = published(a.peers)
    model = model.to(a.device).train()
    ema = deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4, **({"fused": True} if a.fused else {}))
    autocast = (lambda: torch.autocast(a.device, dtype=torch.bfloat16)) if a.precision == "bf16" else contextlib.nullcontext
    decay = 0.9999

    @torch.no_grad()
    def update_ema():
        if a.fused:
            torch._foreach_lerp_(list(ema.parameters()), list(model.parameters()), 1 - decay)
            return
        target = OrderedDict(ema.named_parameters())
        for name, param in model.named_parameters():
            target[name].mul_(decay).add_(param.data, alpha=1 - decay)

    def step():
        optimizer.zero_grad()
        with autocast():
            loss = loss_of(model, a.batch, a.device)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        update_ema()

    sync = torch.cuda.synchronize if a.device == "cuda" else (lambda: None)
    for _ in range(a.warmup):
        step()
    times = []
    spent = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(a.steps):
        sync()
        start = time.perf_counter()
        step()
        sync()
        times.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_SELF)
    median = statistics.median(times)
    print(json.dumps({
        "model": a.model, "batch": a.batch, "device": a.device, "precision": a.precision, "fused": a.fused,
        "threads": torch.get_num_threads(), "torch": torch.__version__,
        "step_s": {"min": min(times), "median": median, "max": max(times)}, "images_per_s": a.batch / median,
        "cpu_s_per_step": (after.ru_utime + after.ru_stime - spent.ru_utime - spent.ru_stime) / a.steps,
    }))


if __name__ == "__main__":
    main()

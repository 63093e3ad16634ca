#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Step time of the published Python trainers, to set beside `espalier-worker bench` in one run on one machine.

    peer_step.py --peers DIR [--model unet-cifar10|dit-s2|dit-b2|dit-xl2|vit-ti|vit-s|vit-b] [--batch 8] [--steps 10]
                 [--device cpu|cuda] [--precision fp32|bf16] [--threads N] [--fused]

A step is what the published loop does: zero_grad, forward, loss, backward, gradient clipping where the recipe has it, optimizer
step, EMA update where it has one. Data are random tensors already on the device. Prints one JSON line. DIR holds checkouts named
ddpm-torch and DiT (the public repositories tqch/ddpm-torch and facebookresearch/DiT); ViT is timm's. --fused uses torch's fused
optimizer and a foreach EMA: the best a careful Python user gets without changing the model.
"""
import argparse
import collections
import contextlib
import functools
import json
import pathlib
import resource
import statistics
import sys
import time
import types
from copy import deepcopy

import torch


def unet(name, peers):
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

    return Recipe(model, loss, functools.partial(torch.optim.Adam, lr=2e-4), clip=1.0, decay=0.9999)


def dit(name, peers):
    root = pathlib.Path(peers) / "DiT"
    if not (root / "models.py").is_file():
        sys.exit(f"{root} holds no models.py")
    sys.path.insert(0, str(root))
    from diffusion import create_diffusion
    from models import DiT_models

    published = {"dit-s2": "DiT-S/2", "dit-b2": "DiT-B/2", "dit-xl2": "DiT-XL/2"}[name]
    model = DiT_models[published](input_size=32, num_classes=1000)
    diffusion = create_diffusion(timestep_respacing="")

    def loss(net, batch, device):
        x = torch.randn(batch, 4, 32, 32, device=device)
        y = torch.randint(0, 1000, (batch,), device=device)
        t = torch.randint(0, diffusion.num_timesteps, (batch,), device=device)
        return diffusion.training_losses(net, x, t, {"y": y})["loss"].mean()

    return Recipe(model, loss, functools.partial(torch.optim.AdamW, lr=1e-4, weight_decay=0.0), clip=None, decay=0.9999)


def vit(name, peers):
    import timm

    kind = {"vit-ti": "tiny", "vit-s": "small", "vit-b": "base"}[name]
    model = timm.create_model(f"vit_{kind}_patch16_224", num_classes=1000, drop_path_rate=0.1)

    def loss(net, batch, device):
        x = torch.randn(batch, 3, 224, 224, device=device)
        target = torch.softmax(torch.randn(batch, 1000, device=device), dim=-1)
        return torch.sum(-target * torch.log_softmax(net(x).float(), dim=-1), dim=-1).mean()

    return Recipe(model, loss, functools.partial(torch.optim.AdamW, lr=5e-4, weight_decay=0.05), clip=None, decay=None)


Recipe = collections.namedtuple("Recipe", "model loss optimizer clip decay")
MODELS = {"unet-cifar10": unet, "dit-s2": dit, "dit-b2": dit, "dit-xl2": dit, "vit-ti": vit, "vit-s": vit, "vit-b": vit}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--peers", required=True)
    p.add_argument("--model", default="unet-cifar10", choices=list(MODELS))
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
    recipe = MODELS[a.model](a.model, a.peers)
    model = recipe.model.to(a.device).train()
    ema = deepcopy(model).requires_grad_(False) if recipe.decay else None
    optimizer = recipe.optimizer(model.parameters(), **({"fused": True} if a.fused else {}))
    autocast = (lambda: torch.autocast(a.device, dtype=torch.bfloat16)) if a.precision == "bf16" else contextlib.nullcontext

    @torch.no_grad()
    def update_ema():
        if a.fused:
            torch._foreach_lerp_(list(ema.parameters()), list(model.parameters()), 1 - recipe.decay)
            return
        target = collections.OrderedDict(ema.named_parameters())
        for name, param in model.named_parameters():
            target[name].mul_(recipe.decay).add_(param.data, alpha=1 - recipe.decay)

    def step():
        optimizer.zero_grad()
        with autocast():
            loss = recipe.loss(model, a.batch, a.device)
        loss.backward()
        if recipe.clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        if ema is not None:
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

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints between espalier-cli and the published Python code, both ways: names, shapes and bits of every tensor with strict loading,
and forward passes to 1e-4. timm and diffusers are the packages themselves. facebookresearch/DiT and tqch/ddpm-torch are no packages: for
them a module is made of the parameter names and shapes that the golden files recorded from their code."""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys

import torch
from safetensors.torch import load_file, save_file

TOLERANCE = 1e-4  # of outputs whose size is about 1: sums of some hundred products in another order
checks = 0


def check(right, what):
    global checks
    checks += 1
    if not right:
        raise AssertionError(what)


class Named(torch.nn.Module):
    """A module with exactly these parameters."""

    def __init__(self, rows):
        super().__init__()
        for name, shape in rows:
            *path, leaf = name.split(".")
            place = self
            for part in path:
                if part not in place._modules:
                    place.add_module(part, torch.nn.Module())
                place = place._modules[part]
            place.register_parameter(leaf, torch.nn.Parameter(torch.empty(shape)))


def equal(one, other, what):
    check(set(one) == set(other), f"{what}: other names: {sorted(set(one) ^ set(other))[:5]}")
    for name, tensor in one.items():
        check(tensor.dtype == other[name].dtype and tensor.shape == other[name].shape, f"{what}: {name} has another type or shape")
        check(torch.equal(tensor, other[name]), f"{what}: {name} has other bits")


def near(one, other, what):
    worst = (one - other).abs().max().item()
    check(one.shape == other.shape and worst <= TOLERANCE, f"{what}: outputs differ by {worst:.2e}")
    print(f"  {what}: outputs differ by {worst:.1e}")


def shaken(module, seed):
    """Every parameter away from its first value: zeros would hide a wrong name."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return module.eval()


def drawn(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in rows}


class Trips:
    def __init__(self, cli, folder, golden):
        self.cli, self.folder, self.golden = cli, folder, golden

    def run(self, *words, refused=False):
        done = subprocess.run([self.cli, *map(str, words)], capture_output=True, text=True)
        check((done.returncode != 0) == refused, f"espalier-cli {' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stderr.strip() if refused else done.stdout

    def inspect(self, path):
        return json.loads(self.run("inspect", path, "--json"))

    def export(self, source, to, out, weights="ema"):
        self.run("export", source, "--weights", weights, "--to", to, "--out", out)
        return out

    def forward(self, weights, **inputs):
        save_file(inputs, self.folder / "in.safetensors")
        program = pathlib.Path(self.cli).parent / "tests" / "interop_forward"
        done = subprocess.run([program, weights, self.folder / "in.safetensors", self.folder / "out.safetensors"], capture_output=True, text=True)
        check(done.returncode == 0, f"interop_forward {weights}: {done.stderr.strip()}")
        return load_file(self.folder / "out.safetensors")

    def rows(self, file, key):
        return [(row[0], row[1]) for row in json.loads((self.golden / file).read_text())[key]]

    # ── timm, Deep-Incubation ──

    def vit(self):
        from timm.models.vision_transformer import VisionTransformer

        for pooling in ("token", "avg"):
            made = lambda seed: shaken(VisionTransformer(img_size=32, patch_size=8, embed_dim=128, depth=3, num_heads=2, num_classes=10,
                                                         global_pool=pooling), seed)
            raw, average = made(1), made(2)
            theirs = self.folder / f"vit-{pooling}.pth.tar"
            torch.save({"state_dict": raw.state_dict(), "state_dict_ema": average.state_dict(), "arch": "vit", "epoch": 3}, theirs)
            said = self.inspect(theirs)
            check(said["model"]["kind"] == "vit" and said["model"]["classes"] == 10 and said["weights"] == ["ema", "raw"], f"inspect: {said['model']}")
            for weights, model in (("raw", raw), ("ema", average)):
                for ending in ("pth", "safetensors"):
                    out = self.export(theirs, "timm", self.folder / f"vit-{pooling}-{weights}.{ending}", weights)
                    back = load_file(out) if ending == "safetensors" else torch.load(out, weights_only=True)
                    made(3).load_state_dict(back, strict=True)
                    equal(back, model.state_dict(), f"timm, {pooling}, {weights}")
            x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(5))
            near(self.forward(theirs, x=x)["out"], average(x).detach(), f"ViT, {pooling}, theirs by us")

    def deep_incubation(self):
        from timm.models.vision_transformer import VisionTransformer

        model = shaken(VisionTransformer(img_size=16, patch_size=4, embed_dim=64, depth=4, num_heads=1, num_classes=5), 7)
        state = model.state_dict()
        stages = []
        for stage, blocks in enumerate(((0, 1), (2, 3))):
            own = {}
            for name, tensor in state.items():
                if name.startswith("blocks."):
                    number, rest = name[7:].split(".", 1)
                    if int(number) in blocks:
                        own[f"blocks.{int(number) - blocks[0]}.{rest}"] = tensor
                elif name.startswith(("norm", "head")) == (stage == 1):
                    own[name] = tensor
            stages.append(own)
        both = dict(state)
        for stage, own in enumerate(stages):
            both.update({f"stages.{stage}.{name}": tensor for name, tensor in own.items()})
        for name, content in (("finished_checkpoint", {"model": both, "model_stages": stages, "epoch": 99}), ("stages", {"model_stages": stages})):
            theirs = self.folder / f"{name}.pth"
            torch.save(content, theirs)
            check(self.inspect(theirs)["layout"] == "deep-incubation", "inspect does not tell Deep-Incubation")
            back = torch.load(self.export(theirs, "timm", self.folder / f"{name}-timm.pth"), weights_only=True)
            equal(back, state, name)

    # ── DiT ──

    def dit(self):
        rows = self.rows("dit/names.json", "DiT-S/2")
        raw, average = drawn(rows, 1), drawn(rows, 2)
        theirs = self.folder / "0400000.pt"
        arguments = argparse.Namespace(model="DiT-S/2", image_size=256, num_classes=1000)
        torch.save({"model": raw, "ema": average, "opt": {"state": {}, "param_groups": []}, "args": arguments}, theirs)
        said = self.inspect(theirs)
        check(said["model"]["published_name"] == "DiT-S/2" and said["model"]["classes"] == 1000 and said["model"]["side"] == 32, f"{said['model']}")
        for weights, state in (("raw", raw), ("ema", average)):
            back = torch.load(self.export(theirs, "dit", self.folder / f"dit-{weights}.pt", weights), weights_only=True)
            Named(rows).load_state_dict(back, strict=True)
            equal(back, state, f"DiT, {weights}")
        check("timm has the ViT alone" in self.run("export", theirs, "--to", "timm", "--out", self.folder / "no.pth", refused=True), "no refusal")

    def autoprog(self):
        rows = self.rows("dit/names.json", "DiT-S/2")
        state = drawn(rows, 3)
        table = torch.randn(5, 384, generator=torch.Generator().manual_seed(4))
        theirs = self.folder / "autoprog.pt"
        torch.save({"model": state, "ema": {**state, "s_embedder.embedding_table.weight": table}, "opt": {}}, theirs)
        check(self.inspect(theirs)["stages"] == 4, "inspect does not tell the stages")
        back = torch.load(self.export(theirs, "dit", self.folder / "autoprog-dit.pt"), weights_only=True)
        equal(back, {**state, "s_embedder.embedding_table.weight": table}, "AutoProg-Zero")
        equal(torch.load(self.export(theirs, "dit", self.folder / "autoprog-raw.pt", "raw"), weights_only=True), state, "an older one")

    def diffusers_dit(self):
        from diffusers import DiTTransformer2DModel

        for seed, safe, extra in ((11, True, {}), (12, False, {"num_embeds_ada_norm": 7, "patch_size": 4, "out_channels": 4})):
            settings = {"num_attention_heads": 2, "attention_head_dim": 64, "in_channels": 4, "out_channels": 8, "num_layers": 3, "sample_size": 16,
                        "patch_size": 2, "num_embeds_ada_norm": 5, "norm_eps": 1e-6, **extra}
            model = shaken(DiTTransformer2DModel(**settings), seed)
            first = model.transformer_blocks[0].norm1.emb
            for block in model.transformer_blocks:
                block.norm1.emb.load_state_dict(first.state_dict())
                # diffusers spaces the frequencies over 127 steps where the DiT code has 128; see docs/checkpoints.md.
                block.norm1.emb.time_proj.downscale_freq_shift = 0
            theirs, plain, ours = (self.folder / f"{name}-{seed}" for name in ("diffusers", "dit", "again"))
            model.save_pretrained(theirs, safe_serialization=safe)
            said = self.inspect(theirs)
            check(said["layout"] == "diffusers" and said["model"]["classes"] == settings["num_embeds_ada_norm"], f"{said['model']}")
            self.export(theirs, "dit", plain)
            self.export(plain, "diffusers", ours)
            back, told = DiTTransformer2DModel.from_pretrained(ours, output_loading_info=True, low_cpu_mem_usage=False)
            check(not any(told[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), f"from_pretrained: {told}")
            equal(back.state_dict(), model.state_dict(), "diffusers' DiT")
            x = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(seed))
            t, y = torch.tensor([0, 500, 999]), torch.tensor([0, 3, settings["num_embeds_ada_norm"]])
            with torch.no_grad():
                wanted = model(x, timestep=t, class_labels=y).sample
            for file in (theirs, ours, plain):
                near(self.forward(file, x=x, t=t, y=y)["out"], wanted, f"DiT, {file.name}")

    # ── AutoencoderKL ──

    def autoencoder(self):
        from diffusers import AutoencoderKL

        model = shaken(AutoencoderKL(block_out_channels=(32, 64), down_block_types=("DownEncoderBlock2D",) * 2,
                                     up_block_types=("UpDecoderBlock2D",) * 2, layers_per_block=1, latent_channels=4, sample_size=32), 21)
        theirs, ours = self.folder / "vae", self.folder / "vae-again"
        model.save_pretrained(theirs)
        check(self.inspect(theirs)["model"]["kind"] == "autoencoder", "inspect does not tell an autoencoder")
        old = {name.replace("to_q", "query").replace("to_k", "key").replace("to_v", "value").replace("to_out.0", "proj_attn"): tensor
               for name, tensor in model.state_dict().items()}
        torch.save(old, self.folder / "old-names.bin")
        for source in (theirs, self.folder / "old-names.bin"):
            self.export(source, "diffusers", ours)
            back, told = AutoencoderKL.from_pretrained(ours, output_loading_info=True, low_cpu_mem_usage=False)
            check(not any(told[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), f"from_pretrained: {told}")
            equal(back.state_dict(), model.state_dict(), f"AutoencoderKL, {source.name}")
            x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(22))
            with torch.no_grad():
                mean = model.encode(x).latent_dist.mean
                out = self.forward(source, x=x)
                near(out["mean"], mean, f"AutoencoderKL encodes, {source.name}")
                near(out["decoded"], model.decode(mean).sample, f"AutoencoderKL decodes, {source.name}")

    # ── ddpm-torch ──

    def ddpm_torch(self):
        rows = self.rows("unet/names.json", self.unet_key())
        raw, average = drawn(rows, 31), drawn(rows, 32)
        theirs = self.folder / "cifar10_2040.pt"
        torch.save({"model": {f"module.{name}": tensor for name, tensor in raw.items()}, "optimizer": {"state": {}, "param_groups": []},
                    "ema": {"decay": 0.9999, "shadow": average, "num_updates": 7}, "scheduler": None, "epoch": 2040, "loss": 0.03}, theirs)
        check(self.inspect(theirs)["model"]["kind"] == "unet", "inspect does not tell a U-Net")
        for weights, state in (("raw", raw), ("ema", average)):
            back = torch.load(self.export(theirs, "ddpm-torch", self.folder / f"unet-{weights}.pt", weights), weights_only=True)
            Named(rows).load_state_dict(back, strict=True)
            equal(back, state, f"ddpm-torch, {weights}")
        said = self.run("sample", "--checkpoint", theirs, "--out", self.folder / "drawn", refused=True)
        check("--config" in said and len(said.splitlines()) == 1, f"no sentence that asks for the JSON: {said}")

    def unet_key(self):
        document = json.loads((self.golden / "unet/names.json").read_text())
        return next(key for key, value in document.items() if isinstance(value, list) and len(value) > 100)

    # ── A run of ours ──

    def own_run(self):
        from diffusers import DiTTransformer2DModel

        run = self.folder / "run"
        self.train(run, ["model.kind=dit", "model.hidden_size=64", "model.depth=2", "model.num_heads=1", "model.num_classes=10"])
        for weights in ("raw", "ema"):
            plain = load_file(self.export(run, "safetensors", self.folder / f"own-{weights}.safetensors", weights))
            equal(torch.load(self.export(run, "dit", self.folder / f"own-{weights}.pt", weights), weights_only=True), plain, f"own run, {weights}")
            ours = self.export(run, "diffusers", self.folder / f"own-{weights}", weights)
            model, told = DiTTransformer2DModel.from_pretrained(ours, output_loading_info=True, low_cpu_mem_usage=False)
            check(not any(told[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), f"from_pretrained: {told}")
            state, qkv = model.state_dict(), plain["blocks.1.attn.qkv.weight"]
            for part, rows in zip(("q", "k", "v"), qkv.chunk(3)):
                check(torch.equal(state[f"transformer_blocks.1.attn1.to_{part}.weight"], rows), f"to_{part} has other bits")

    def own_classifier(self):
        from timm.models.vision_transformer import VisionTransformer

        run = self.folder / "run"
        self.train(run, ["model.kind=vit", "model.patch_size=4", "model.hidden_size=64", "model.depth=2", "model.num_heads=1", "model.num_classes=10"])
        for weights in ("raw", "ema"):
            plain = load_file(self.export(run, "safetensors", self.folder / f"own-{weights}.safetensors", weights))
            out = self.export(run, "timm", self.folder / f"own-{weights}.pth", weights)
            back = torch.load(out, weights_only=True)
            equal(back, plain, f"own classifier, {weights}")
            model = VisionTransformer(img_size=16, patch_size=4, embed_dim=64, depth=2, num_heads=1, num_classes=10).eval()
            model.load_state_dict(back, strict=True)
            x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(41))
            near(self.forward(out, x=x)["out"], model(x).detach(), f"ViT, ours by timm, {weights}")

    def train(self, run, settings):
        settings = ["data.side=16", "data.garden_train=50", "data.garden_test=20", "training.steps=2", "training.batch_size=8",
                    "training.warmup_steps=0", "samples.every=0", "evaluation.every=0", "checkpoints.every=0", *settings]
        self.run("train", "--run", run, "--devices", "cpu", "--quiet", *(word for setting in settings for word in ("--set", setting)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cli", required=True)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    parser.add_argument("--golden", required=True, type=pathlib.Path)
    parser.add_argument("--only", nargs="*", default=[])
    asked = parser.parse_args()
    torch.set_num_threads(2)
    trips = Trips(asked.cli, asked.folder, asked.golden)
    trouble = 0
    for name in ("vit", "deep_incubation", "dit", "autoprog", "diffusers_dit", "autoencoder", "ddpm_torch", "own_run", "own_classifier"):
        if asked.only and name not in asked.only:
            continue
        print(name, flush=True)
        shutil.rmtree(asked.folder, ignore_errors=True)
        asked.folder.mkdir(parents=True)
        try:
            getattr(trips, name)()
        except AssertionError as error:
            trouble += 1
            print(f"  FAILED: {error}", flush=True)
    shutil.rmtree(asked.folder, ignore_errors=True)
    print(f"{checks} checks, {trouble} of the trips failed")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs of 2 and 4 CPU ranks that the real torchrun starts: undisturbed, one rank killed, one stopped, one with another configuration, one that
the agent starts again, and one that goes on with another number of ranks. Each must leave a run folder that says what happened, and no process."""

import argparse
import json
import os
import pathlib
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import time

CONFIG = {
    "seed": 7,
    "devices": "cpu",
    "data": {"side": 16, "garden_train": 96, "garden_test": 32, "workers": 1},
    "model": {"kind": "unet", "hid_channels": 32, "ch_multipliers": [1, 2], "num_res_blocks": 1, "apply_attn": [False, True]},
    "diffusion": {"timesteps": 50},
    "training": {"steps": 24, "batch_size": 8, "warmup_steps": 4, "report_every": 1, "threads": 1},
    "checkpoints": {"every": 8},
    "samples": {"every": 0},
    "evaluation": {"every": 0},
}
SILENT = 3  # seconds until a rank that says nothing counts as stopped; 30 where nobody says else
checks = 0


def check(right, what):
    global checks
    checks += 1
    if not right:
        raise AssertionError(what)


def eventually(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    return None


class Run:
    def __init__(self, folder):
        self.folder = folder

    def events(self):
        try:
            lines = (self.folder / "events.jsonl").read_text().splitlines()
        except OSError:
            return []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def last(self, kind):
        found = [event for event in self.events() if event["kind"] == kind]
        return found[-1] if found else None

    def state(self):
        event = self.last("state")
        return event["state"] if event else "new"

    def loss(self):
        """By step; later attempts supersede."""
        curve = {}
        for file in sorted(self.folder.glob("scalars/*/loss.train.bin"), key=lambda f: int(f.parent.name)):
            raw = file.read_bytes()
            at = struct.unpack_from("<i", raw, 12)[0]
            for place in range(at, len(raw) - 23, 24):
                step, _, value = struct.unpack_from("<qdd", raw, place)
                curve[step] = value
        return curve

    def images(self):
        file = sorted(self.folder.glob("scalars/*/clock.images.bin"), key=lambda f: int(f.parent.name))[-1]
        return struct.unpack("<qdd", file.read_bytes()[-24:])[2]

    def step(self):
        return max(self.loss(), default=0)

    def shards(self):
        newest = sorted((self.folder / "checkpoints").glob("step-*"))[-1]
        files = json.loads((newest / "manifest.json").read_text())["files"]
        return newest.name, files

    def weights(self):
        from safetensors.torch import load_file

        newest = sorted((self.folder / "checkpoints").glob("step-*"))[-1]
        tensors = {}
        for file in sorted(newest.glob("*.safetensors")):
            tensors.update({f"{file.name}/{name}": tensor for name, tensor in load_file(file).items()})
        return tensors

    def processes(self):
        """What still works in the run folder: {pid: environment}."""
        found = {}
        for place in pathlib.Path("/proc").iterdir():
            try:
                if place.name.isdigit() and os.readlink(place / "cwd") == str(self.folder) and ") Z " not in (place / "stat").read_text():
                    pairs = (place / "environ").read_bytes().decode(errors="replace").split("\0")
                    found[int(place.name)] = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
            except OSError:
                pass
        return found

    def worker(self, rank):
        """The process that trains as that rank."""
        for pid, environment in self.processes().items():
            if environment.get("RANK") == str(rank) and "ESPALIER_STATUS_FD" in environment:
                return pid
        return None


class Runs:
    def __init__(self, cli, folder):
        self.cli, self.folder = cli, folder
        self.config = folder / "tiny.json"
        self.config.write_text(json.dumps(CONFIG))
        self.started = []

    def run(self, name):
        return Run(self.folder / name)

    def command(self, run, more=()):
        return [self.cli, "train", "--config", str(self.config), "--run", str(run.folder), "--quiet", *more]

    def torchrun(self, ranks, command, restarts=0):
        """As the documentation says: the program itself, without a Python around it."""
        environment = dict(os.environ, ESPALIER_SILENT_SECONDS=str(SILENT), ESPALIER_GRACE_SECONDS="2")
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "--max-restarts", str(restarts)]
        log = open(self.folder / f"log-{len(self.started)}", "w+")
        process = subprocess.Popen([*torchrun, "--no-python", "--", *command], env=environment, stdout=log, stderr=subprocess.STDOUT)
        process.log = log
        self.started.append(process)
        return process

    def said(self, process):
        process.log.flush()
        return pathlib.Path(process.log.name).read_text()

    def ends(self, process, run, well, seconds=120):
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {seconds} s: {self.said(process)[-2000:]}") from None
        check((status == 0) == well, f"ended with {status}: {self.said(process)[-3000:]}")
        check(eventually(lambda: not run.processes(), 10) is not None, f"processes are left: {list(run.processes())}")

    def end_all(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()

    def train(self, name, ranks, more=()):
        run = self.run(name)
        self.ends(self.torchrun(ranks, self.command(run, more)), run, True)
        check(run.state() == "finished", f"{name} is {run.state()}")
        return run

    # The cases.

    def undisturbed(self):
        two, four = self.train("two", 2), self.train("four", 4)
        check(two.last("started")["ranks"] == 2 and four.last("started")["ranks"] == 4, "other ranks than were started")
        check(len([e for e in four.events() if e["kind"] == "started"]) == 1, "more than one rank wrote")
        self.near(two, four, "2 and 4 ranks")
        again = self.train("four", 4)  # the same command: nothing to do
        check(len([e for e in again.events() if e["kind"] == "started"]) == 1, "a finished run was trained again")

    def near(self, one, other, what):
        first, second = one.loss(), other.loss()
        check(set(first) == set(second), f"{what}: other steps")
        worst = max(abs(first[step] - second[step]) for step in first)
        check(worst <= 1e-5, f"{what}: losses differ by {worst:.2e}")
        check(one.images() == other.images(), f"{what}: other images")
        a, b = one.weights(), other.weights()
        check(set(a) == set(b), f"{what}: other tensors")
        # A bias in front of a normalisation that takes it out again has no gradient but rounding, of which Adam makes steps all the same: such
        # weights stay tiny, and any two runs that round otherwise differ in them.
        told = [name for name in a if a[name].is_floating_point() and a[name].numel() and a[name].abs().max() > 1e-4]
        check(len(told) > len(a) / 2, f"{what}: most weights were not trained")
        apart = max((a[name].double() - b[name].double()).abs().max().item() for name in told)
        check(apart <= 1e-5, f"{what}: weights differ by {apart:.2e}")
        print(f"  {what}: losses differ by {worst:.1e}, weights by {apart:.1e}")

    def disturbed(self, name, ranks, which, number, word):
        run = self.run(name)
        process = self.torchrun(ranks, self.command(run, ["--set", "training.steps=100000"]))
        check(eventually(lambda: run.step() >= 10, 60), f"it did not begin: {self.said(process)[-2000:]}")
        victim = run.worker(which)
        check(victim, "there is no such worker")
        began = time.monotonic()
        os.kill(victim, number)
        self.ends(process, run, False, 60)
        print(f"  rank {which} of {ranks}: all ended after {time.monotonic() - began:.1f} s")
        failure = run.last("failure")
        check(run.state() == "failed" and failure, f"the run is {run.state()}")
        check(failure["rank"] == which and word in failure["message"], f"failed because: {failure}")
        check(run.last("checkpoint")["step"] >= 8, "no checkpoint to go on from")
        return run

    def killed(self):
        run = self.disturbed("killed", 2, 1, signal.SIGKILL, "SIGKILL")
        steps = run.last("checkpoint")["step"] + 8
        self.train("killed", 2, ["--set", f"training.steps={steps}"])
        self.disturbed("killed-zero", 4, 0, signal.SIGKILL, "SIGKILL")

    def stopped(self):
        self.disturbed("stopped", 4, 2, signal.SIGSTOP, "stopped (SIGSTOP")

    def other_configuration(self):
        run = self.run("other")
        line = " ".join(shlex.quote(part) for part in self.command(run))
        process = self.torchrun(2, ["/bin/sh", "-c", f'if [ "$RANK" = 1 ]; then set -- --set training.learning_rate=0.5; fi; exec {line} "$@"'])
        self.ends(process, run, False)
        said = self.said(process)
        check(said.count("training.learning_rate is ") >= 1 and "0.5 on rank 1" in said, f"they said: {said[-2000:]}")
        check(run.state() == "failed" and not run.last("started") and not run.loss(), "a step was taken")
        check("training.learning_rate" in run.last("failure")["message"], "the run does not say why")

    def restarted(self):
        run = self.run("restarted")
        process = self.torchrun(2, self.command(run), restarts=1)
        check(eventually(lambda: run.step() >= 10, 60), f"it did not begin: {self.said(process)[-2000:]}")
        os.kill(run.worker(1), signal.SIGKILL)
        self.ends(process, run, True)
        check(run.state() == "finished" and run.last("resumed")["attempt"] == 2, "it did not go on")
        check(run.shards() == self.run("two").shards(), "it is not the run that nobody disturbed")

    def fewer_ranks(self):
        run = self.run("fewer")
        process = self.torchrun(4, self.command(run))
        check(eventually(lambda: run.step() >= 6, 60), f"it did not begin: {self.said(process)[-2000:]}")
        subprocess.run([self.cli, "control", str(run.folder), "pause"], check=True, stdout=subprocess.DEVNULL)
        self.ends(process, run, True)
        check(run.state() == "paused" and run.step() < 24, f"it is {run.state()} at step {run.step()}")
        at = run.step()
        self.train("fewer", 2)
        check(run.last("started")["ranks"] == 2 and run.last("started")["from_step"] == at, "it did not go on from there")
        self.near(run, self.run("four"), "4 ranks, then 2")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cli", required=True)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    parser.add_argument("--only", nargs="*", default=[])
    asked = parser.parse_args()
    folder = asked.folder.resolve() / "runs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    runs = Runs(str(pathlib.Path(asked.cli).resolve()), folder)
    trouble = 0
    for name in ("undisturbed", "killed", "stopped", "other_configuration", "restarted", "fewer_ranks"):
        if asked.only and name not in asked.only:
            continue
        print(name, flush=True)
        try:
            getattr(runs, name)()
        except (AssertionError, OSError, subprocess.CalledProcessError) as error:
            trouble += 1
            print(f"  FAILED: {error}", flush=True)
        runs.end_all()
    if not trouble:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{checks} checks, {trouble} of the cases failed")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs ours and theirs alternately, prints a table of ratios and writes it as JSON. Called by run_bench.sh; standard library only.

Every ratio is the median of the ratios of pairs: ours and theirs run one after the other, so that a machine that is busy or warm
hurts both. A row that could not be measured says why and has no ratio; it never counts as passed.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


class Unmeasured(Exception):
    """Carries the reason."""


def json_of(text):
    """The JSON document in what a program printed: all of it, or its last line."""
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(text.strip().splitlines()[-1])


def run(command, limit):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit)
    except FileNotFoundError:
        raise Unmeasured(f"{command[0]} is not built")
    except subprocess.TimeoutExpired:
        raise Unmeasured(f"{pathlib.Path(command[0]).name} took longer than {limit} s")
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise Unmeasured(f"{pathlib.Path(command[0]).name} failed: {reason[:200]}")
    try:
        return json_of(done.stdout)
    except (ValueError, IndexError):
        raise Unmeasured(f"{pathlib.Path(command[0]).name} printed no JSON")


def pairs_of(ours, theirs, pairs, what):
    """Images per second of ours and theirs, A B A B …, as rows of [ours, theirs, ratio], and the last full answers."""
    measured = []
    for number in range(pairs):
        a = ours()
        b = theirs()
        measured.append([a["images_per_s"], b["images_per_s"], a["images_per_s"] / b["images_per_s"]])
        print(f"  {what} pair {number + 1} of {pairs}: {measured[-1][0]:.3f} and {measured[-1][1]:.3f} images/s, "
              f"ratio {measured[-1][2]:.3f}", file=sys.stderr, flush=True)
    return measured, a, b


def row(name, measured, target, **more):
    ratio = statistics.median(m[2] for m in measured)
    return {"name": name, "ours": statistics.median(m[0] for m in measured), "theirs": statistics.median(m[1] for m in measured),
            "unit": "images/s", "ratio": ratio, "target": target, "result": "passed" if ratio >= target else "missed",
            "pairs": measured, **more}


def cpu_has_bf16():
    try:
        flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags")).split()
    except (OSError, StopIteration):
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


# The models of the step rows with the batch that they are measured at on a CPU.
STEPS = {"unet-cifar10": 8, "dit-s2": 8, "vit-ti": 16}


def step_name(a, model, precision):
    return f"step {model} batch {a.batch or STEPS.get(model, 8)} {a.device} {precision}"


def step(a, model, precision, target):
    name, batch = step_name(a, model, precision), a.batch or STEPS.get(model, 8)
    checkout = "ddpm-torch" if model.startswith("unet") else "DiT" if model.startswith("dit") else None
    if precision == "bf16" and a.device == "cpu" and not cpu_has_bf16():
        raise Unmeasured("this CPU has no bf16 arithmetic")
    if not a.peer_python:
        raise Unmeasured("the Python of the published code could not be made")
    if checkout and (not a.peers or not (pathlib.Path(a.peers) / checkout).is_dir()):
        raise Unmeasured(f"ESPALIER_PEERS names no folder with a checkout called {checkout}")
    request = {"model": model, "batch": batch, "steps": a.steps, "warmup": a.warmup, "device": a.device, "precision": precision,
               "threads": a.threads}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(request, file)
        file.flush()
        ours = [str(a.build / "espalier-worker"), "bench", "--request", file.name]
        theirs = [a.peer_python, str(HERE / "peer_step.py"), "--peers", a.peers, "--model", model, "--batch", str(batch),
                  "--steps", str(a.steps), "--warmup", str(a.warmup), "--device", a.device, "--precision", precision,
                  "--threads", str(a.threads)] + (["--fused"] if a.fused else [])
        measured, mine, other = pairs_of(lambda: run(ours, a.limit), lambda: run(theirs, a.limit), a.pairs, name)
    return row(name, measured, target, step_s_ours=mine["step_s"], step_s_theirs=other["step_s"], threads=[mine.get("threads"),
               other.get("threads")], torch=[mine.get("libtorch"), other.get("torch")])


def loader(a, scaled, folder):
    name = "loader JPEG 256 to 32" + (", scaled decoding (other pixels)" if scaled else ", equal pixels")
    if not a.peer_python:
        raise Unmeasured("the Python of the published code could not be made")
    ours = [str(a.build / "bench_loader"), "read", folder, "--workers", str(a.workers)] + (["--scaled"] if scaled else [])
    theirs = [a.peer_python, str(HERE / "peer_loader.py"), "--images", folder, "--workers", str(a.workers)]
    measured, mine, other = pairs_of(lambda: run(ours, a.limit), lambda: run(theirs, a.limit), a.pairs, name)
    equal = mine["sha256"] == other["sha256"]
    if not equal and not scaled:
        raise Unmeasured("the pixels are not equal (another JPEG library or Pillow?), so the speeds do not compare")
    return row(name, measured, 1.5, equal_pixels=equal, workers=a.workers, files=mine["images"])


def augment(a, folder):
    name = "DeiT pipeline, JPEG 256 to 224"
    if not a.peer_python:
        raise Unmeasured("the Python of the published code could not be made")
    program, peer = str(a.build / "bench_augment"), [a.peer_python, str(HERE / "peer_augment.py"), "--images", folder]
    drawn = run([program, "draws", folder], a.limit)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(drawn, file)
        file.flush()
        repeated = run(peer + ["--draws", file.name], a.limit)
    if drawn["sha256"] != repeated["sha256"]:
        raise Unmeasured("the pixels are not equal (another JPEG library or Pillow?), so the speeds do not compare")
    ours, theirs = [program, "run", folder, "--workers", str(a.workers)], peer + ["--workers", str(a.workers)]
    measured, mine, _ = pairs_of(lambda: run(ours, a.limit), lambda: run(theirs, a.limit), a.pairs, name)
    return row(name, measured, 1.5, equal_pixels=True, workers=a.workers, files=mine["images"])


def runs(a):
    """What the window asks of core/runs, against fixed times."""
    r = run([str(a.build / "bench_runs"), "--runs", str(a.runs), "--points", str(a.points)], a.limit)
    def fixed(name, seconds, most):
        return {"name": name, "seconds": seconds, "most": most, "result": "passed" if seconds <= most else "missed"}
    rows = [fixed(f"library, first scan of {a.runs} runs", r["library"]["first_scan_s"], 0.5),
            fixed(f"library, scan of {a.runs} runs without change", r["library"]["scan_without_change_s"], 0.05),
            fixed(f"replay of {a.points:,} points".replace(",", " "), r["curve"]["replay_s"], 1.0)]
    for pixels, frames in ((1280, 60), (3840, 30)):
        rows.append(fixed(f"envelope at {pixels} px, worst frame", r["curve"][f"envelope_{pixels}"]["worst_s"], 1 / frames))
    rows.append(fixed("a look at an idle run, ten a second, of one core", r["curve"]["idle_share_of_core_at_10_per_s"], 0.01))
    rows.append(fixed("a scalar from pen to reader, worst", r["latency"]["worst_s"], 0.3))
    return rows, r


def weights(a):
    """2.7 GB of weights into a model: from the disk against reading the file and keeping nothing, from the page cache against reading it
    into new memory as it is (keeping nothing is then a copy within the processor's caches). And what it takes beside the model."""
    program, rows = str(a.build / "bench_weights"), []
    with tempfile.TemporaryDirectory(prefix="espalier-bench-", dir=a.build) as folder:
        file = str(pathlib.Path(folder) / "dit-xl-2.safetensors")
        made = run([program, "make", file], a.limit)
        for name, plain, flags in (("from the disk: load over read", "read", ["--cold"]), ("cached: load over read into new memory", "keep", [])):
            run([program, plain, file] + flags, a.limit)
            pairs = []
            for _ in range(a.pairs):
                other, loaded = run([program, plain, file] + flags, a.limit), run([program, "load", file] + flags, a.limit)
                pairs.append([loaded["seconds"], other["seconds"], loaded["seconds"] / other["seconds"]])
            ratio = statistics.median(p[2] for p in pairs)
            rows.append({"name": f"weights, {made['bytes'] / 1e9:.1f} GB {name}", "times": ratio, "most": 1.2, "pairs": pairs,
                         "ours_s": statistics.median(p[0] for p in pairs), "read_s": statistics.median(p[1] for p in pairs),
                         "result": "passed" if ratio <= 1.2 else "missed"})
    beside = loaded["memory_beside_model"] / 1e6
    rows.append({"name": "weights, memory beside the model", "megabytes": beside, "most": 64, "result": "passed" if beside <= 64 else "missed"})
    return rows


def window(a):
    """What a person waits for in the real window, painted offscreen, against fixed times."""
    program, more = str(a.build / "bench_window"), {}
    def fixed(name, value, most):
        return {"name": name, "seconds": value, "most": most, "result": "passed" if value <= most else "missed"}
    more["start"] = run([program, "start", "--espalier", str(a.build / "espalier")], a.limit)
    rows = [fixed("window, from its start to a painted library of 200 runs", more["start"]["seconds"], 0.5)]
    for size, scale, name, frames in (("1280x800", "1", "1280 x 800", 60), ("1920x1080", "2", "3840 x 2160", 30)):
        r = more[f"zoom {name}"] = run([program, "zoom", "--size", size, "--scale", scale, "--points", str(a.points)], a.limit)
        rows.append(fixed(f"window, a painted frame of a zoom at {name}, mean", 1 / r["frames_per_second"], 1 / frames))
        rows.append(fixed(f"window, CPU of such a frame at {name}", r["cpu"], 1 / frames))
    more["latency"] = run([program, "latency"], a.limit)
    rows.append(fixed("window, a scalar from its file to its paint, worst of 20", more["latency"]["worst"], 0.3))
    more["idle"] = run([program, "idle"], a.limit)
    rows.append(fixed("window, beside 200 runs at rest and one that trains, of one core", more["idle"]["share_of_core"], 0.01))
    return rows, more


def show(rows):
    width = max(len(r["name"]) for r in rows)
    for r in rows:
        if r["result"] == "unmeasured":
            text = f"unmeasured: {r['why']}"
        elif "times" in r:
            text = f"{r['ours_s']:.2f} s over {r['read_s']:.2f} s: {r['times']:.2f} times, at most {r['most']}: {r['result']}"
        elif "megabytes" in r:
            text = f"{r['megabytes']:.0f} MB, at most {r['most']} MB: {r['result']}"
        elif "ratio" in r:
            text = (f"{r['ours']:10.2f} {r['theirs']:10.2f} {r['unit']}  ratio {r['ratio']:.3f}  target {r['target']:.2f}  {r['result']}  "
                    f"(pairs {' '.join(f'{m[2]:.2f}' for m in r['pairs'])})")
        else:
            text = f"{r['seconds']:.3g} s, at most {r['most']:.3g} s: {r['result']}"
        print(f"{r['name']:<{width}}  {text}")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"), help="where the programs are")
    p.add_argument("--peers", default="", help="folder with checkouts named ddpm-torch and DiT")
    p.add_argument("--peer-python", default="", help="Python with torch and torchvision")
    p.add_argument("--only", action="append", choices=["step", "loader", "augment", "runs", "weights", "window"], help="may be given several times; default: all")
    p.add_argument("--model", action="append", help=f"of the step rows; default: {', '.join(STEPS)}")
    p.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    p.add_argument("--precision", action="append", choices=["fp32", "bf16"])
    p.add_argument("--batch", type=int, default=0, help="default: what each model is measured at")
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--warmup", type=int, default=3)
    p.add_argument("--pairs", type=int, default=3, help="at least 3")
    p.add_argument("--threads", type=int, default=0, help="of each side; 0: what each takes by itself")
    p.add_argument("--fused", action="store_true", help="theirs with torch's fused Adam and foreach EMA")
    p.add_argument("--workers", type=int, default=2, help="of both loaders")
    p.add_argument("--images", type=int, default=384, help="JPEG files to make for the loaders")
    p.add_argument("--runs", type=int, default=200)
    p.add_argument("--points", type=int, default=10_000_000)
    p.add_argument("--limit", type=int, default=1800, help="seconds a program may take")
    p.add_argument("--json", type=pathlib.Path, help="where the figures go (default: bench.json in the build folder)")
    a = p.parse_args()
    if a.pairs < 3:
        p.error("--pairs has to be at least 3")
    if a.batch < 0 or min(a.steps, a.workers, a.runs) < 1 or a.images < 128 or a.points < 1000:
        p.error("--steps, --workers and --runs have to be at least 1, --batch 0, --images 128, --points 1000")
    a.build = a.build.resolve()
    only = a.only or ["step", "loader", "augment", "runs", "weights", "window"]
    rows, more = [], {}

    def attempt(name, measure):
        try:
            rows.append(measure())
        except Unmeasured as reason:
            rows.append({"name": name, "result": "unmeasured", "why": str(reason)})

    if "step" in only:
        for model in a.model or STEPS:
            for precision, target in (("fp32", 1.1), ("bf16", 1.05)):
                if precision in (a.precision or ["fp32", "bf16"]):
                    attempt(step_name(a, model, precision), lambda: step(a, model, precision, target))
    if "loader" in only or "augment" in only:
        with tempfile.TemporaryDirectory(prefix="espalier-bench-") as folder:
            try:
                made = subprocess.run([str(a.build / "bench_loader"), "make", folder, str(a.images)], capture_output=True, text=True)
                problem = made.stderr.strip() if made.returncode else ""
            except FileNotFoundError:
                problem = "bench_loader is not built"
            def checked(measure):
                if problem:
                    raise Unmeasured(problem)
                return measure()
            for scaled in (False, True) if "loader" in only else ():
                attempt("loader JPEG 256 to 32" + (", scaled decoding (other pixels)" if scaled else ", equal pixels"),
                        lambda: checked(lambda: loader(a, scaled, folder)))
            if "augment" in only:
                attempt("DeiT pipeline, JPEG 256 to 224", lambda: checked(lambda: augment(a, folder)))
    if "runs" in only:
        try:
            found, more = runs(a)
            rows += found
        except Unmeasured as reason:
            rows.append({"name": "library and curves", "result": "unmeasured", "why": str(reason)})
    if "weights" in only:
        try:
            rows += weights(a)
        except Unmeasured as reason:
            rows.append({"name": "weights", "result": "unmeasured", "why": str(reason)})
    if "window" in only:
        try:
            found, more["window"] = window(a)
            rows += found
        except Unmeasured as reason:
            rows.append({"name": "window", "result": "unmeasured", "why": str(reason)})

    show(rows)
    document = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": platform.machine(), "cores": os.cpu_count(),
                "load_before_end": os.getloadavg(), "rows": rows, "runs": more}
    target = a.json or a.build / "bench.json"
    target.write_text(json.dumps(document, indent=1) + "\n")
    print(f"Figures are in {target}", file=sys.stderr)
    sys.exit(1 if any(r["result"] == "missed" for r in rows) else 0)


if __name__ == "__main__":
    main()

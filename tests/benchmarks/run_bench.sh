#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run_bench.sh [ARGS]: our programs beside the published Python ones, alternately, on this machine; ./dev bench builds first and
# comes here. ARGS go to compare.py (--help lists them). docs/benchmarks.md says what is measured.
#
#   ESPALIER_PEERS      folder with checkouts of the published code named ddpm-torch and DiT:
#                         git clone https://github.com/tqch/ddpm-torch "$ESPALIER_PEERS/ddpm-torch"
#                         git clone https://github.com/facebookresearch/DiT "$ESPALIER_PEERS/DiT"
#                       without it the rows against them are unmeasured
#   ESPALIER_LIBTORCH   folder with nvidia/ and torch/ of the wheels (default: the one that ./dev made)
#   ESPALIER_BUILD      where the programs are (default: build)
set -eu -o pipefail
cd "$(dirname "$0")/../.."
say() { printf '%s\n' "$*" >&2; }

cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/espalier
python=${ESPALIER_PYTHON:-/usr/bin/python3}
[ -x "$python" ] || python=python3
libtorch=${ESPALIER_LIBTORCH:-$cache/libtorch-$(sha256sum packaging/libtorch-pins.txt | cut -c 1-12)}

# The peers' Python: one environment for all clones, made once, whole or not at all.
torch=(torch==2.11.0 torchvision==0.26.0 timm==1.0.31)
small=(numpy pillow==11.3.0 pyyaml safetensors huggingface_hub typing_extensions filelock 'sympy>=1.13.3' networkx jinja2 fsspec setuptools)
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
environment=$cache/bench-python-$version-torch-2.11.0
works() { "$1/bin/python" -c 'import torch, torchvision, numpy, PIL; torch.ones(2).sum().item()' >/dev/null 2>&1; }

make_environment() { # make_environment FOLDER; the reason of a failure goes to FOLDER.log
    local folder=$1 site pip
    rm -rf "$folder"
    "$python" -m venv "$folder" || return 1
    pip=("$folder/bin/python" -m pip -q --disable-pip-version-check --no-input)
    site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    "${pip[@]}" install "${small[@]}" || return 1
    # LibTorch's folder already has the CUDA libraries, which torch looks for in ../../nvidia: 3 GB less to fetch.
    if [ -d "$libtorch/nvidia" ] && "${pip[@]}" install --no-deps "${torch[@]}"; then
        ln -s "$libtorch/nvidia" "$site/nvidia"
        works "$folder" && return 0
        rm "$site/nvidia"
    fi
    "${pip[@]}" install "${torch[@]}" && works "$folder"
}

mkdir -p "$cache"
exec 8>"$cache/bench-python.lock"
flock 8
if [ ! -e "$environment/complete" ]; then
    say "bench: making the Python of the published code in $environment (once; 0.6 GB to fetch beside an existing LibTorch)"
    # Scripts inside carry the folder's name, so it is made where it stays.
    if ! make_environment "$environment" >"$environment.log" 2>&1 8>&-; then
        grep -v '^ *$' "$environment.log" | tail -n 2 | cut -c 1-300 >&2 || true
        rm -rf "$environment"
        say "bench: that Python could not be made (offline?); what needs it is reported as unmeasured."
    else
        touch "$environment/complete"
        rm -f "$environment.log"
    fi
fi
exec 8>&-

[ -n "${ESPALIER_PEERS:-}" ] ||
    say "bench: ESPALIER_PEERS is not set; clone tqch/ddpm-torch and facebookresearch/DiT into a folder and name that folder to compare with them."
peer=()
if [ -e "$environment/complete" ]; then peer=(--peer-python "$environment/bin/python"); fi
exec "$python" tests/benchmarks/compare.py --build "${ESPALIER_BUILD:-build}" --peers "${ESPALIER_PEERS:-}" ${peer[@]+"${peer[@]}"} "$@"

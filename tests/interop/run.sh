#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh CLI FOLDER [LIBTORCH]: round trips of checkpoints between espalier-cli and the published Python code, in FOLDER. Makes a Python
# environment there once (timm, diffusers and torch at fixed versions from the package index that pip is set up with) and keeps it.
# With ESPALIER_INTEROP_ONLY_PYTHON set that is all it does. Exits with 77, which ctest calls skipped, when there is no such environment and
# none can be made.
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
cli=$1
folder=$2
libtorch=${3:-}
say() { printf '%s\n' "$*" >&2; }

torch=(torch==2.11.0 torchvision==0.26.0)
packages=(timm==1.0.31 diffusers==0.42.1 safetensors==0.8.0)
needed=(numpy pillow pyyaml huggingface_hub typing_extensions filelock 'sympy>=1.13.3' networkx jinja2 fsspec setuptools regex
    importlib_metadata requests httpx packaging tqdm)
python=${ESPALIER_PYTHON:-/usr/bin/python3}
[ -x "$python" ] || python=python3
environment=$folder/python
works() { "$1/bin/python" -c 'import torch, timm, diffusers, safetensors.torch; torch.ones(2).sum().item()'; }

make_environment() {
    local site pip other
    rm -rf "$environment"
    "$python" -m venv "$environment" || return 1
    pip=("$environment/bin/python" -m pip -q --disable-pip-version-check --no-input)
    site=$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    "${pip[@]}" install "${needed[@]}" || return 1
    "${pip[@]}" install --no-deps "${packages[@]}" || return 1
    # The benchmarks may have made a Python with this torch already: half a gigabyte less to fetch.
    other=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/espalier/bench-python-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-torch-2.11.0
    if [ -e "$other/complete" ]; then
        echo "$other/lib/$(basename "$(dirname "$site")")/site-packages" >"$site/torch-of-the-benchmarks.pth"
        works "$environment" && return 0
        rm "$site/torch-of-the-benchmarks.pth"
    fi
    # LibTorch's folder has the CUDA libraries that torch looks for in ../../nvidia: 3 GB less to fetch.
    if [ -d "$libtorch/nvidia" ] && "${pip[@]}" install --no-deps "${torch[@]}"; then
        ln -s "$libtorch/nvidia" "$site/nvidia"
        works "$environment" && return 0
        rm "$site/nvidia"
    fi
    "${pip[@]}" install "${torch[@]}" && works "$environment"
}

mkdir -p "$folder"
wanted=$(printf '%s\n' "${torch[@]}" "${packages[@]}" "${needed[@]}" | sha256sum | cut -c 1-16)
if [ "$(cat "$environment/complete" 2>/dev/null)" != "$wanted" ]; then
    say "interop: making a Python with torch, timm and diffusers in $environment (once)"
    if ! make_environment >"$folder/python.log" 2>&1; then
        say "interop: SKIPPED, that Python could not be made: $(grep -v '^ *$' "$folder/python.log" | tail -n 1 | cut -c 1-300)"
        rm -rf "$environment"
        exit 77
    fi
    echo "$wanted" >"$environment/complete"
fi
[ -z "${ESPALIER_INTEROP_ONLY_PYTHON:-}" ] || exit 0
OMP_NUM_THREADS=2 HF_HUB_OFFLINE=1 exec "$environment/bin/python" "$here/round_trips.py" --cli "$cli" --folder "$folder/files" --golden "$here/../golden"

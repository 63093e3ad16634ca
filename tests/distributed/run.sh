#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh CLI FOLDER INTEROP [LIBTORCH]: runs of several ranks under the real torchrun, in FOLDER. Its Python is the one of the tests beside this folder
# (tests/interop/run.sh makes it, in the folder INTEROP). Exits with 77, which ctest calls skipped, when there is none and none can be made.
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
cli=$1
folder=$2
interop=$3
libtorch=${4:-}
ESPALIER_INTEROP_ONLY_PYTHON=1 "$here/../interop/run.sh" "$cli" "$interop" "$libtorch"
mkdir -p "$folder"
exec "$interop/python/bin/python" "$here/torchrun_runs.py" --cli "$cli" --folder "$folder"

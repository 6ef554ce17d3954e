#!/bin/bash
# Checks on a GPU what runs on one, within eight minutes, and writes one JSON: check.sh [OUT] [OPTIONS].
# It needs Python 3.12 with torch 2.11 or newer and numpy, and this repository. Where filelock,
# safetensors or annotated-types are missing, or for some checks fsspec, tenacity, onnx, onnxscript
# and onnxruntime-gpu, lay their wheels into a folder `wheels` beside the repository's own folders:
# they are unpacked for this run alone. A check that lacks one of the latter is skipped.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
out=${1:-gpu.json}
shift $(($# > 0))
if compgen -G "$root/wheels/*.whl" > /dev/null; then
  site=$(mktemp -d)
  "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" \
    "$root"/wheels/*.whl || exit
  export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH}
fi
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
# A compiler's cache of its own: one that was cut off half-way would be read again.
cache=$(mktemp -d)
trap 'rm -rf "$cache" "${site:-$cache}"' EXIT
TORCHINDUCTOR_CACHE_DIR=$cache timeout 480 "$python" "$root/tests/gpu/run.py" --out "$out" "$@"

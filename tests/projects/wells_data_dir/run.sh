#!/usr/bin/env bash
set -euo pipefail
cd "$(dirname "$0")"
export WELLS_DATA="${WELLS_DATA:-datasets/wells}"
for seed in "${@:-0}"; do
  echo "== seed $seed"
  python fit.py --seed "$seed"
done

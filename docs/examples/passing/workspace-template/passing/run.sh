#!/bin/sh
# run.sh train          nothing: there is nothing to learn
# run.sh predict texts  numerals.py on the trial's texts
[ "$1" = predict ] || exit 0
PYTHONPATH="$PYTHONPATH:/workspace" exec python -u -P /workspace/main.py

#!/bin/sh
# run.sh train | run.sh predict rows
#   -u  lines appear as they are printed
#   -P  imports come from the installed packages, the kit and, last, this folder
PYTHONPATH="$PYTHONPATH:/workspace" exec python -u -P "$(dirname "$0")/main.py" "$@"

#!/bin/sh
# run.sh train | run.sh predict NAME
#   -u  lines appear as they are printed
#   -P  imports come from the installed packages and the kit, never from this folder
exec python -u -P "$(dirname "$0")/train.py" "$@"

#!/bin/sh
# run.sh train          nothing: there is nothing to learn, and no agent code runs
# run.sh predict lists  work.py on the trial's lists
# run.sh check          the guard
case "$1" in
    train) exit 0 ;;
    predict) script=main.py ;;
    check) script=check.py ;;
esac
PYTHONPATH="$PYTHONPATH:/workspace" exec python -u -P "/workspace/$script"

#!/bin/sh
# Gives this machine's engine the runtime runsc (gVisor), as root on Debian or Ubuntu; containers that run go on.
# Elsewhere it exits with 2; what a person must do is on standard error, as is what went wrong.
set -eu
: "${DAEMON_CONFIG:=/etc/docker/daemon.json}" "${DAEMON_PID:=/var/run/docker.pid}"

# No container of ours has a network, and runsc would set one up; a served model meets its scorer at a socket.
config='{"runtimes": {"runsc": {"path": "/usr/bin/runsc",
    "runtimeArgs": ["--platform=ptrace", "--network=none", "--host-uds=all"]}}}'

by_hand() {
    printf '%s\n' "$@" >&2
    exit 2
}

has_runsc() {
    docker info --format '{{json .Runtimes}}' 2> /dev/null | grep -q '"runsc"'
}

! has_runsc || exit 0
[ "$(id -u)" = 0 ] && [ -z "${DOCKER_HOST:-}" ] && [ ! -e "$DAEMON_CONFIG" ] || by_hand \
    "the engine has no runtime runsc; as root, install the package runsc, add this to $DAEMON_CONFIG," "$config" \
    'and let the engine read it again: systemctl reload docker, or kill -HUP its process'
if ! command -v runsc > /dev/null; then
    echo 'installing the package runsc'
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    apt-get install -y -qq --no-install-recommends runsc >&2
fi
echo "registering the runtime runsc in $DAEMON_CONFIG"
mkdir -p "${DAEMON_CONFIG%/*}"
printf '%s\n' "$config" > "$DAEMON_CONFIG"
kill -HUP "$(cat "$DAEMON_PID")"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.3
    ! has_runsc || exit 0
done
by_hand "the engine does not take the runtime runsc from $DAEMON_CONFIG; look into its log"

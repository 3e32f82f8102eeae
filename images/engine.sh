#!/bin/sh
# Installs and starts a container engine, as root on Debian or Ubuntu, and says on standard output what it does.
# Elsewhere it exits with 2; what a person must type is on standard error, as is what went wrong.
set -eu
: "${OS_RELEASE:=/etc/os-release}" "${SYSTEMD:=/run/systemd/system}"
: "${SOCKET:=/var/run/docker.sock}" "${DAEMON_LOG:=/var/log/dockerd.log}"
PATH=$PATH:${SYSTEM_PATH:-/usr/local/sbin:/usr/sbin:/sbin}
engine='docker.io iptables'

by_hand() {
    printf '%s\n' "$@" >&2
    exit 2
}

ID='' ID_LIKE=''
[ ! -r "$OS_RELEASE" ] || . "$OS_RELEASE"
case "$(uname) $ID $ID_LIKE " in
    Linux*\ debian\ * | Linux*\ ubuntu\ *) ;;
    *) false ;;
esac && command -v apt-get > /dev/null || by_hand \
    'install and start a Docker-compatible engine, 20.10 or newer (https://docs.docker.com/engine/install/);' \
    'if it listens elsewhere than at the usual socket, set DOCKER_HOST'

if [ "$(id -u)" != 0 ]; then
    start='sudo dockerd &'
    # The folder that sd_booted(3) names: systemctl may be there without systemd at work.
    [ ! -d "$SYSTEMD" ] || start='sudo systemctl enable --now docker'
    join='sudo usermod -aG docker $USER   # then log out and in again'
    [ ! -e "$SOCKET" ] || by_hand "if your user may not use the engine:  $join" "else start it:  $start"
    ! command -v dockerd > /dev/null || by_hand type: "$start" "$join"
    # Without root, a base image is made in a user namespace.
    by_hand type: \
        "sudo apt-get update && sudo apt-get install --no-install-recommends $engine mmdebstrap uidmap" \
        "$start" "$join"
fi

if ! command -v dockerd > /dev/null; then
    echo "no container engine here; installing the packages $engine"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    apt-get install -y -qq --no-install-recommends $engine >&2
fi

if [ -d "$SYSTEMD" ]; then
    echo 'starting the service docker'
    echo 'see: journalctl -u docker' >&2
    exec systemctl enable --now docker >&2
fi
echo "starting dockerd (its log: $DAEMON_LOG)"
cd /
# A session of its own: it outlives this terminal and shares nothing with it.
setsid dockerd < /dev/null >> "$DAEMON_LOG" 2>&1 &
for _ in 1 2 3 4; do
    sleep 0.5
    kill -0 $! 2> /dev/null || { tail -n 8 "$DAEMON_LOG" >&2; exit 1; }
done
echo "see: $DAEMON_LOG" >&2

#!/bin/sh
# Writes a base system made of Debian packages, Python and a compiler, to standard output as a tar.
# It uses the host's own package sources and proxies, and keeps neither.
# As root on Debian or Ubuntu it installs mmdebstrap, if that is missing; elsewhere it then exits with 2.
set -eu
suite=bookworm
packages=ca-certificates,g++,python3,python3-dev,python3-venv

ID='' ID_LIKE='' VERSION_CODENAME=''
[ ! -r "${OS_RELEASE:=/etc/os-release}" ] || . "$OS_RELEASE"

if ! command -v mmdebstrap > /dev/null; then
    echo "mmdebstrap is not installed" >&2
    case "$(id -u) $ID $ID_LIKE " in
        0*\ debian\ * | 0*\ ubuntu\ *) ;;
        *) exit 2 ;;
    esac
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    # Ubuntu's mmdebstrap comes without the keys of Debian's archive.
    apt-get install -y -qq --no-install-recommends mmdebstrap debian-archive-keyring >&2
fi

# How the host's apt downloads. It goes through the environment, since a proxy's address may hold a password.
HOST_APT=$(apt-config dump 2> /dev/null | grep -Ei '^Acquire::(https?|Retries|Check-|Min-Valid|Max-Valid|Force)' || true)
export HOST_APT

# What `$1` is: the folder of the new system, in mmdebstrap's hooks. Static libraries of Python are for those who embed it.
set -- --quiet --variant=essential --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/lib/python3*/config-*/*.a' \
    --dpkgopt='path-exclude=/usr/lib/*/libpython3*.a' \
    --setup-hook='printf "%s\n" "$HOST_APT" > "$1/etc/apt/apt.conf.d/99host"' \
    --customize-hook='rm -rf "$1"/etc/apt/apt.conf.d/99host "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d \
        "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/var/log/*' \
    "$suite" -

# The host's own repositories of Debian, turned to this suite. Without any, mmdebstrap has its own default.
# apt lists what it has indexes of; a host that was never updated gets them into a folder that is thrown away.
repositories() {
    apt-get "$@" indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        sed -nE "s#^([^ ]+) $VERSION_CODENAME(|-updates|-security) main\$#deb \1 $suite\2 main#p" | sort -u
}
if [ "$ID" = debian ] && [ -n "$VERSION_CODENAME" ]; then
    found=$(repositories)
    if [ -z "$found" ]; then
        lists=$(mktemp -d)
        trap 'rm -rf "$lists"' EXIT
        apt-get -o Dir::State::lists="$lists" -o Debug::NoLocking=1 -o APT::Sandbox::User= update -qq >&2 || true
        found=$(repositories -o Dir::State::lists="$lists")
        rm -rf "$lists"
    fi
    while read -r line; do
        [ -z "$line" ] || set -- "$@" "$line"
    done << END
$found
END
fi
exec mmdebstrap "$@"

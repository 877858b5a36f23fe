#!/bin/sh
# Run the suite as a newcomer's machine would: a bare Debian 12 with python3, make, git and ca-certificates, and nothing else.
# Usage, as root on Debian, with no Docker engine running:  sh tests/bare_debian.sh [FOLDER] [COMMAND...]
# FOLDER (default: a new one below /tmp) holds the root file system, 3 GB at the end; COMMAND is `make test` unless given.
set -eu
checkout=$(git rev-parse --show-toplevel)
root=${1:-$(mktemp -d /tmp/bare-debian.XXXX)}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- make test

if [ ! -e "$root/etc/debian_version" ]; then
    debootstrap --variant=minbase --include=python3,make,git,ca-certificates bookworm "$root"
fi
# This machine's way out of the network: its resolver and its certificates.
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
rm -rf "$root/root/firedrill"
git clone --quiet "$checkout" "$root/root/firedrill"

# Everything that is started ends with the process namespace, and every mount with the mount namespace.
unshare --mount --propagation private --pid --fork sh -euc '
    root=$1; shift
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/run"
    mkdir "$root/run/lock"
    exec env -i HOME=/root TERM="${TERM:-dumb}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        PIP_CERT=/etc/ssl/certs/ca-certificates.crt CI="${CI:-}" \
        chroot "$root" sh -euc "cd /root/firedrill && exec \"\$@\"" sh "$@"
' sh "$root" "$@"
echo "the root file system is left in $root"

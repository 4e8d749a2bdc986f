#!/bin/sh
# Turns pinpipe's wheel into /opt/pinpipe and this folder's units into services of this machine.
# Never starts a service, never changes an environment file that is there. Rules: docs/deployment.md, "One machine".
#
#   deploy/systemd/install.sh pinpipe-*.whl        (as root; PYTHON: 3.11 or later; ROOT: another root, for images)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${ROOT:-}

"${PYTHON:-python3}" -m venv "$root/opt/pinpipe"
for wheel in "$@"; do
    "$root/opt/pinpipe/bin/pip" install --quiet "$wheel[delta]"
done

mkdir -p "$root/etc/systemd/system/pinpipe-.service.d" "$root/etc/pinpipe"
install -m 644 "$here"/pinpipe-*.service "$root/etc/systemd/system"
install -m 644 "$here"/pinpipe-.service.d/*.conf "$root/etc/systemd/system/pinpipe-.service.d"
for name in gateway sink-demo stream-demo; do
    [ -e "$root/etc/pinpipe/$name.env" ] || install -m 600 "$here/${name%-demo}.env" "$root/etc/pinpipe/$name.env"
done

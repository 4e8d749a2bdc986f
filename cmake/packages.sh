#!/usr/bin/env bash
# Turns group names (build bench lint fuzz levels kafka debian manual units) into installed system packages of Debian and Ubuntu.
# Never asks for a password without a terminal, never touches a package that is there already.
# Rules: docs/dependencies.md; CONTRACT §1 (one retry, else say exactly which are missing).
set -euo pipefail

declare -A packages=(
    [build]="ca-certificates cmake gcc libc6-dev libcurl4-openssl-dev libexpat1-dev librdkafka-dev libssl-dev
             libisal-dev libjansson-dev libmicrohttpd-dev libxxhash-dev libzstd-dev ninja-build pkg-config python3
             python3-dev python3-venv zlib1g-dev"
    [bench]="valgrind wrk"
    [lint]="clang-format clang-tidy g++"
    [fuzz]="clang libclang-rt-dev"
    [debian]="abigail-tools dpkg-dev gzip lintian"
    [manual]="doxygen"
    [units]="libseccomp2 systemd"
    [kafka]="g++ libzstd-dev make zlib1g-dev"
    [levels]="binutils-aarch64-linux-gnu gcc-aarch64-linux-gnu libc6-dev-arm64-cross libjansson-dev:arm64
              libssl-dev:arm64 libxxhash-dev:arm64 libzstd-dev:arm64 qemu-user zlib1g-dev:arm64"
)

is_installed() {
    [[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" == ii* ]]
}

missing=()
for group in "$@"; do
    for package in ${packages[$group]}; do
        if ! command -v dpkg-query >/dev/null || ! is_installed "$package"; then
            missing+=("$package")
        fi
    done
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

give_up() {
    echo "set-up: $1; these packages are missing: ${missing[*]}" >&2
    echo "set-up: as root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
}

command -v apt-get >/dev/null || give_up "there is no apt-get"
as_root=()
if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || give_up "neither root nor sudo"
    as_root=(sudo)
    if [[ ! -t 0 ]]; then
        sudo -n true 2>/dev/null || give_up "sudo wants a password and there is no terminal"
    fi
fi

install_missing() {
    [[ "${missing[*]}" != *:arm64* ]] || "${as_root[@]}" dpkg --add-architecture arm64
    "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=120 update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "${missing[@]}"
}

echo "set-up: installing ${missing[*]}"
install_missing || { echo "set-up: apt failed, trying once more" >&2; sleep 5; install_missing; } ||
    give_up "apt failed twice"

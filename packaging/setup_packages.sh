#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what packaging/debian-packages.txt names and this machine lacks. Extra names may be given as arguments;
# with --only, just those. Used by ./dev; does nothing, quickly, when nothing is missing.
set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf '%s\n' "$*" >&2; }

only=
if [ "${1:-}" = --only ]; then
    only=1
    shift
fi
if ! command -v dpkg-query >/dev/null; then
    [ -n "$only" ] || say "dev: this is not Debian or Ubuntu, so no packages are installed; packaging/debian-packages.txt lists what is needed."
    exit 0
fi

wanted=("$@")
if [ -z "$only" ]; then
    while read -r name why; do
        case $name in '' | '#'*) continue ;; esac
        case "${ESPALIER_WINDOW:-ON}:$why" in OFF:*'[window]'*) continue ;; esac
        wanted+=("$name")
    done <debian-packages.txt
fi

installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | tr '\n' ' ') "
missing=()
for name in "${wanted[@]}"; do
    found=
    for alternative in ${name//|/ }; do
        case $installed in *" $alternative "*) found=1 ;; esac
    done
    [ -n "$found" ] || missing+=("$name")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=(env)
elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    as_root=(sudo)
else
    say "dev: these packages are missing and only an administrator can install them. Ask for: apt-get install --no-install-recommends ${missing[*]%%|*}"
    exit 1
fi
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 -o APT::Cmd::Disable-Script-Warning=1 "$@"; }

say "dev: missing Debian packages: ${missing[*]%%|*}"
if [ -t 0 ] && [ -t 2 ]; then
    printf 'Install them with apt-get? [Y/n] ' >&2
    read -r answer
    case $answer in [nN]*)
        say "dev: nothing was installed. By hand: apt-get install --no-install-recommends ${missing[*]%%|*}"
        exit 1
        ;;
    esac
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() { # what it does, then the command: quiet when it works, the end of its output when it does not
    local what=$1
    shift
    say "dev: $what"
    if ! "$@" </dev/null >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        return 1
    fi
}
known() { [ -n "$(apt-cache show --no-all-versions "$1" 2>/dev/null | head -n 1 || true)" ]; }

# A package list that lacks a name, or is not there at all (as in fresh containers), is fetched first.
for name in "${missing[@]}"; do
    known "${name%%|*}" && continue
    run "fetching the package lists (apt-get update)" apt update ||
        say "dev: apt-get update did not succeed; going on with the lists that are there."
    updated=1
    break
done
names=()
for name in "${missing[@]}"; do
    for alternative in ${name//|/ }; do
        if known "$alternative"; then
            names+=("$alternative")
            continue 2
        fi
    done
    say "dev: no package source of this machine has ${name//|/ or }. On Ubuntu, enable \"universe\" (add-apt-repository universe); then run the same command again."
    exit 1
done
install() { run "installing ${#names[@]} packages (apt-get install)" apt install --no-install-recommends "${names[@]}"; }
# Lists that have grown old name files that are gone: one retry with fresh lists.
if ! install; then
    if [ -n "${updated:-}" ] || ! run "trying once more with fresh package lists" apt update || ! install; then
        say "dev: the packages could not be installed; what apt-get says is above. When that is mended (network, disk, another apt-get), run the same command again."
        exit 1
    fi
fi

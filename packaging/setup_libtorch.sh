#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# setup_libtorch.sh <pins file> <folder>: puts the pinned wheels into <folder>, whole or not at all.
# Wheel by wheel into <folder>/../wheels, each kept once its hash is right, so that a broken download goes on where it
# stopped; then installed beside and renamed. One process at a time; the others wait and find it done.
set -eu -o pipefail
pins=$1
folder=$2
cache=$(dirname "$folder")
label=$(basename "$folder")
python=${ESPALIER_PYTHON:-/usr/bin/python3}
[ -x "$python" ] || python=python3

say() { printf '%s\n' "$*" >&2; }
mib() { echo $((($1 + 1048575) / 1048576)); }

[ -e "$folder/pins.txt" ] && cmp -s "$pins" "$folder/pins.txt" && exit 0
if [ "$(uname -sm)" != "Linux x86_64" ]; then
    say "dev: the pinned set is for x86-64 Linux, this is $(uname -sm). Set ESPALIER_LIBTORCH to a folder with torch/ and nvidia/ for this machine."
    exit 1
fi
if ! mkdir -p "$cache/wheels" 2>/dev/null || ! [ -w "$cache" ]; then
    say "dev: cannot write to $cache. Set XDG_CACHE_HOME to a folder with about 8 GB of room."
    exit 1
fi
exec 8>"$cache/setup.lock"
if ! flock -n 8; then
    say "dev: another ./dev is setting up $label; waiting for it."
    flock 8
    [ -e "$folder/pins.txt" ] && cmp -s "$pins" "$folder/pins.txt" && exit 0
fi

# What an interrupted run left behind; we hold the lock, so nobody is using it.
rm -rf "$cache/wheels/.part" "$cache/.new-$label"
mkdir -p "$cache/wheels/.part"
worker=
cleanup() {
    [ -z "$worker" ] || kill "$worker" 2>/dev/null || true
    rm -rf "$cache/wheels/.part" "$cache/.new-$label"
}
trap cleanup EXIT
trap 'say ""; say "dev: stopped; the same command goes on from here."; exit 130' INT TERM

# pip reads the user's own settings (index, proxy, certificates); these would break a download into a folder.
export PIP_REQUIRE_VIRTUALENV=0 PIP_USER=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
export TMPDIR="$cache/wheels/.part"
target=(--no-deps --only-binary=:all: --python-version 3.12 --implementation cp)

names=() hashes=() sizes=()
while read -r requirement hash _ size; do
    case $requirement in '' | '#'*) continue ;; esac
    names+=("$requirement")
    hashes+=("${hash#--hash=sha256:}")
    sizes+=("$size")
done <"$pins"
count=${#names[@]}

wheel_of() { # the kept wheel of pin $1, if its hash is right
    local file
    for file in "$cache/wheels/${hashes[$1]}"/*.whl; do
        [ -f "$file" ] || return 1
        [ "$(sha256sum "$file" | cut -d ' ' -f 1)" = "${hashes[$1]}" ] && echo "$file" && return 0
        rm -f "$file"
    done
    return 1
}

wheels=() todo=() bytes=0
for ((i = 0; i < count; ++i)); do
    if wheels[i]=$(wheel_of "$i"); then
        continue
    fi
    todo+=("$i")
    bytes=$((bytes + sizes[i]))
done
total=0
for size in "${sizes[@]}"; do total=$((total + size)); done
# Unpacked they take 1.6 times their size; the wheels go when that is done.
need=$(mib $((bytes + total * 17 / 10)))
free=$(($(df -Pk "$cache" | awk 'NR == 2 { print $4 }') / 1024))
if [ "$free" -lt "$need" ]; then
    say "dev: $cache has $free MiB free and $label needs $need MiB. Make room, or set XDG_CACHE_HOME to a folder on a larger disk."
    exit 1
fi
[ ${#todo[@]} -eq 0 ] ||
    say "dev: getting $label: ${#todo[@]} of $count wheels, $(mib "$bytes") MiB to download, shared by all clones in $cache"

for i in ${todo[@]+"${todo[@]}"}; do
    line=$(printf '  %2d of %d  %s, %d MiB' $((i + 1)) "$count" "${names[i]/==/ }" "$(mib "${sizes[i]}")")
    printf '%s' "$line" >&2
    part="$cache/wheels/.part/$i"
    log="$cache/wheels/.part/log"
    mkdir -p "$part"
    printf '%s --hash=sha256:%s\n' "${names[i]}" "${hashes[i]}" >"$part.txt"
    started=$SECONDS
    "$python" -m pip download "${target[@]}" --require-hashes --no-cache-dir --retries 2 --progress-bar off -q \
        -r "$part.txt" -d "$part" </dev/null >"$log" 2>&1 8>&- &
    worker=$!
    while [ -t 2 ] && kill -0 "$worker" 2>/dev/null; do
        printf '\r%s … %d MiB' "$line" "$(du -sm "$cache/wheels/.part" 2>/dev/null | cut -f 1)" >&2
        sleep 0.5
    done
    status=0
    wait "$worker" || status=$?
    worker=
    [ -t 2 ] && printf '\r\033[K%s' "$line" >&2
    if [ "$status" -ne 0 ]; then
        printf ' … failed\n' >&2
        left=()
        for j in "${todo[@]}"; do [ "$j" -lt "$i" ] || left+=("${names[j]/==/ }"); done
        if grep -qi 'do not match the hashes\|hash mismatch' "$log"; then
            say "dev: what the package index sent for ${names[i]} is not the pinned file (its SHA-256 differs). Nothing of it was kept; run the same command again, and if it stays so, check the index that pip is set to use."
        elif grep -qi 'no space left' "$log"; then
            say "dev: the disk of $cache is full. Make room and run the same command again; it goes on where it stopped."
        elif grep -q 'No module named pip' "$log"; then
            say "dev: $python has no pip. Install python3-pip and run the same command again."
        else
            grep -v '^ *$' "$log" | tail -n 2 | cut -c 1-300 | sed 's/^/  pip: /' >&2
            say "dev: the package index could not be reached or does not have it. Still missing: $(printf '%s, ' "${left[@]}" | sed 's/, $//')."
            say "dev: when you are online (or pip is set up for your mirror), run the same command again: it goes on where it stopped. With a copy of your own, set ESPALIER_LIBTORCH to the folder that holds torch/ and nvidia/."
        fi
        exit 1
    fi
    file=$(find "$part" -name '*.whl' | head -n 1)
    rm -rf "$cache/wheels/${hashes[i]}"
    mkdir "$cache/wheels/${hashes[i]}"
    mv "$file" "$cache/wheels/${hashes[i]}/"
    if ! wheels[i]=$(wheel_of "$i"); then
        printf ' … failed\n' >&2
        say "dev: the download of ${names[i]} does not have its pinned SHA-256. Nothing of it was kept; run the same command again."
        exit 1
    fi
    printf ' … done in %d s\n' $((SECONDS - started)) >&2
done

say "dev: unpacking $label, about $(mib $((total * 16 / 10))) MiB"
if ! PIP_CONFIG_FILE=/dev/null "$python" -m pip install "${target[@]}" --no-index --no-compile --no-cache-dir -q \
    --target "$cache/.new-$label" "${wheels[@]}" </dev/null >"$cache/wheels/.part/log" 2>&1 8>&-; then
    tail -n 5 "$cache/wheels/.part/log" >&2
    say "dev: the wheels could not be unpacked into $cache; pip's reason is above. Mend it and run the same command again: nothing is downloaded twice."
    exit 1
fi
cp "$pins" "$cache/.new-$label/pins.txt"
rm -rf "$folder"
mv -T "$cache/.new-$label" "$folder"
for hash in "${hashes[@]}"; do rm -rf "$cache/wheels/$hash"; done

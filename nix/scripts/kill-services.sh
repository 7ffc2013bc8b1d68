#!/usr/bin/env bash
# Ends what an interrupted `nix run ./nix#stack` has left behind: the processes whose numbers it has written down, and no
# others. First in order, and after half a minute for good.
set -euo pipefail

cd "$(dirname "$0")/../.."
pids=${STATE:-$PWD/var/nix}/pids

# A number may belong to somebody else by now: what we started names our programs or our folder.
ours() {
    ps -o args= -p "$1" 2>/dev/null | grep -qE "celery|redis-server|postgres|uvicorn"
}

each() {
    for file in "$pids"/*; do
        [ -f "$file" ] || continue
        pid=$(cat "$file")
        if ours "$pid"; then "$@" "$pid" "${file##*/}"; else rm -f "$file"; fi
    done
}

end() {
    echo "ending $2 (process $1)"
    # PostgreSQL waits for its clients at SIGTERM, and not at SIGINT.
    if [ "$2" = postgres ]; then kill -INT "$1"; else kill -TERM "$1"; fi
}

end_for_good() {
    echo "$2 (process $1) did not end: killing it"
    pkill -KILL -P "$1" || true
    kill -KILL "$1" || true
}

count() { left=$((left + 1)); }

each end
for _ in $(seq 300); do
    left=0
    each count
    [ "$left" -gt 0 ] || exit 0
    sleep 0.1
done
each end_for_good

#!/usr/bin/env bash
# Starts all of {{ d.name }} under process-compose: stack.sh PROCESS-COMPOSE-FILE [OPTIONS]. Run by `nix run ./nix#stack`.
set -euo pipefail

processes=$1
shift
cd "$(git rev-parse --show-toplevel 2>/dev/null || pwd)"
. nix/scripts/environment.sh
mkdir -p "$STATE/redis" "$STATE/pids"
exec process-compose --config "$processes" "$@"

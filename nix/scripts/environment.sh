# Sourced by bash: the variables of env.list for a machine without containers. The names of Compose's services become this
# machine, and the folder of its volume one below the project.
export STATE="${STATE:-$PWD/var/nix}"
export DJANGO_SETTINGS_MODULE=jost.settings.production
export NUMBA_CACHE_DIR=/tmp/numba

set -a
. ./env.list
for name in $(grep -oE '^[A-Za-z_]+' ./env.list); do
    value=${!name-}
    for host in postgres redis-cache redis; do
        [ "$value" != "$host" ] || value=127.0.0.1
        value=${value//\/\/$host:/\/\/127.0.0.1:}
        value=${value//@$host:/@127.0.0.1:}
    done
    case $value in
        /data | /data/*) value=$STATE${value#/data} ;;
    esac
    printf -v "$name" '%s' "$value"
done
NIX_DAPHNE_PORT="${NIX_DAPHNE_PORT:-8081}"
set +a
unset name value host

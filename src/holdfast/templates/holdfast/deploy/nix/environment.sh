# Sourced by bash: the variables of {{ d.env_file }} for a machine without containers. The names of Compose's services become this
# machine, and the folder of its volume one below the project.
export STATE="${STATE:-$PWD/var/nix}"
export DJANGO_SETTINGS_MODULE={{ d.settings }}
{% for name, value in d.environment.items %}
export {{ name }}={{ value|word }}
{% endfor %}

set -a
. ./{{ d.env_file }}
for name in $(grep -oE '^[A-Za-z_]+' ./{{ d.env_file }}); do
    value=${!name-}
    for host in postgres redis-cache redis; do
        [ "$value" != "$host" ] || value=127.0.0.1
        value=${value//\/\/$host:/\/\/127.0.0.1:}
        value=${value//@$host:/@127.0.0.1:}
    done
{% if d.image.data %}
    case $value in
        {{ d.image.data }} | {{ d.image.data }}/*) value=$STATE${value#{{ d.image.data }}} ;;
    esac
{% endif %}
    printf -v "$name" '%s' "$value"
done
{# Whatever the process listens on. #}
{{ port_variable }}="${{ "{" }}{{ port_variable }}:-8081}"
set +a
unset name value host

#!/bin/sh
# Is the process of this container alive? Exit 0 if it is. Rendered by `manage.py holdfast render dockerfile`.
# Workers and schedulers touch a file every 5 s, and no Python is started to look at it; the web process is asked for a page.
set -eu
file=${HOLDFAST_ALIVE_FILE:-${HOLDFAST_SCHEDULER_ALIVE_FILE:-}}
if [ -n "$file" ]; then
    # Older than a minute: the process hangs, for a database that is away does not keep it from touching the file.
    test -n "$(find "$file" -mmin -1 2>/dev/null)"
else
    exec python -c 'import sys, urllib.request as web
request = web.Request(sys.argv[1], headers={"Host": sys.argv[2]})
sys.exit(web.urlopen(request, timeout=5).status >= 400)' \
        "http://127.0.0.1:${PORT:-{{ d.web.port }}}{{ d.web.live_path }}" {{ d.host }}
fi

# A workspace of Firebase Studio (Project IDX). Rendered by `manage.py holdfast render idx`: change the settings, not this file.
{ pkgs, ... }:
{
  channel = "stable-24.11";

  packages = [
    pkgs.python312
    pkgs.gnumake
    # redis-cli, to look at what is there.
    pkgs.redis
  ];

  # Listens on 127.0.0.1:6379. There is no name "redis" here, as Compose would have it.
  services.redis.enable = true;

  # The one place for these: shells and previews get the same. A .env beside it would not be read.
  env = {
    DJANGO_SETTINGS_MODULE = "jost.settings.development";
    CELERY_BROKER_URL = "redis://127.0.0.1:6379/0";
    CELERY_RESULT_BACKEND = "redis://127.0.0.1:6379/1";
    CACHE_URL = "redis://127.0.0.1:6379/2";
    NUMBA_CACHE_DIR = "/tmp/numba";
  };

  idx = {
    extensions = [ "ms-python.python" "ms-python.debugpy" ];

    workspace = {
      onCreate = {
        install = "python -m venv .venv && .venv/bin/pip install --require-hashes -r requirements.lock && .venv/bin/pip install --no-deps --no-build-isolation .";
      };
      onStart = {
        migrate = ".venv/bin/python manage.py migrate";
      };
    };

    previews = {
      enable = true;
      previews = {
        web = {
          command = [ ".venv/bin/python" "manage.py" "runserver" "0.0.0.0:$PORT" ];
          manager = "web";
        };
        # A worker that nobody starts is the commonest reason for jobs that wait for ever.
        worker = {
          command = [ ".venv/bin/celery" "--app" "jost" "worker" "--hostname" "worker@%h" "--queues" "default,critical,low-priority,alerts,fast,cpu,io" "--pool" "threads" "--concurrency" "8" "--loglevel" "INFO" "--task-events" "--without-gossip" "--without-mingle" "--without-heartbeat" ];
          manager = "web";
        };
        scheduler = {
          command = [ ".venv/bin/celery" "--app" "jost" "beat" "--loglevel" "INFO" "--pidfile" "" ];
          manager = "web";
        };
      };
    };
  };
}

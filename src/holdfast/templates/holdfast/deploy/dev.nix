# A workspace of Firebase Studio (Project IDX). Rendered by `manage.py holdfast render idx`: change the settings, not this file.
{ pkgs, ... }:
{
  channel = "stable-24.11";

  packages = [
    pkgs.{{ python_package }}
    pkgs.gnumake
    # redis-cli, to look at what is there.
    pkgs.redis
  ];

  # Listens on 127.0.0.1:6379. There is no name "redis" here, as Compose would have it.
  services.redis.enable = true;

  # The one place for these: shells and previews get the same. A .env beside it would not be read.
  env = {
    DJANGO_SETTINGS_MODULE = {{ settings|nix }};
{% if d.variables.CELERY_BROKER_URL %}
    {{ d.variables.CELERY_BROKER_URL }} = "redis://127.0.0.1:6379/0";
{% endif %}
    CELERY_RESULT_BACKEND = "redis://127.0.0.1:6379/1";
{% if d.variables.CACHE_URL %}
    {{ d.variables.CACHE_URL }} = "redis://127.0.0.1:6379/2";
{% endif %}
{% for name, value in environment.items %}
    {{ name }} = {{ value|nix }};
{% endfor %}
  };

  idx = {
    extensions = [ "ms-python.python" "ms-python.debugpy" ];

    workspace = {
      onCreate = {
        install = "python -m venv .venv && {{ install }}";
      };
      onStart = {
        migrate = ".venv/bin/python {{ d.manage }} migrate";
      };
    };

    previews = {
      enable = true;
      previews = {
        web = {
          command = {{ web|nix }};
          manager = "web";
        };
        # A worker that nobody starts is the commonest reason for jobs that wait for ever.
        worker = {
          command = {{ worker|nix }};
          manager = "web";
        };
        scheduler = {
          command = {{ scheduler|nix }};
          manager = "web";
        };
      };
    };
  };
}

# syntax=docker/dockerfile:1
# The image of jost: every process of it runs from this one, here and in production.
# Rendered by `manage.py holdfast render dockerfile`: change the settings, not this file.

# ---- build: what is compiled or unpacked here leaves no tool behind in the image
FROM python:3.12-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PIP_CACHE_DIR=/var/.cache/pip \
    PYTHONDONTWRITEBYTECODE=1

RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH

WORKDIR /build
# What others wrote, before what we write: this layer is made anew only when the requirements change.
COPY requirements.lock ./
RUN --mount=type=cache,target=/var/.cache/pip \
    pip install --require-hashes -r requirements.lock
COPY pyproject.toml ./pyproject.toml
COPY README.md ./README.md
COPY LICENSE ./LICENSE
COPY src ./src
RUN --mount=type=cache,target=/var/.cache/pip \
    pip install --no-deps --no-build-isolation .

# ---- the image
FROM python:3.12-slim-bookworm AS runtime

# Unbuffered: the last line before an end is in the log, too.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=jost.settings.production

# No shell, no home, no password; the same number everywhere, so that volumes keep their owner.
RUN groupadd --gid 10001 app \
    && useradd --uid 10001 --gid app --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app \
    && install --directory --owner=app --group=app --mode=0700 /data /run/holdfast

WORKDIR /app
COPY --from=build /venv /venv
COPY . .
# Values for this moment only: the settings load, and nothing of them stays in the image.
RUN API_HOST=localhost \
    DATABASE_URL=postgresql://nobody@localhost/none \
    CELERY_BROKER_URL=redis://localhost/0 \
    DJANGO_SECRET_KEY=for-collectstatic-only \
    python manage.py collectstatic --noinput

# By its number, by which Kubernetes sees that it is not root.
USER 10001:10001
EXPOSE 8000

# Of whichever process runs here: deploy/alive.sh looks at a worker's file, or asks the web process.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["/bin/sh", "/app/deploy/alive.sh"]

# Without a shell in between: SIGTERM reaches the process itself, and its jobs end in order.
STOPSIGNAL SIGTERM
CMD ["uvicorn", "jost.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--proxy-headers", "--timeout-graceful-shutdown", "10"]

# ---- the same with a debugger: docker compose --profile debug up
FROM runtime AS debug
USER 0
RUN pip install --no-cache-dir "debugpy>=1.8,<2"
USER 10001:10001

# ---- what is built when nothing is said
FROM runtime

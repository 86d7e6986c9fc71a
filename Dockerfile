# Daftar as a container: one image for every role. `docker-compose.yml` shows how they stand together.
#
#   docker build -t daftar .
#   docker run --rm --env-file .env daftar migrate
#   docker run --env-file .env -p 127.0.0.1:3000:3000 daftar                                   # role api
#   docker run --env-file .env --no-healthcheck daftar role projector,publisher,workflows,scheduler
#
# The image holds no secret and no embedded servers: every server is named by the environment, and production refuses
# to start without. It runs on a read-only file system with an empty /tmp.

FROM python:3.11-slim-bookworm AS build

ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/opt/daftar \
    UV_PYTHON_DOWNLOADS=never

# The version that the Makefile uses too.
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore uv==0.13.8

WORKDIR /src
# Dependencies change less often than the program: they are a layer of their own.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-install-project

COPY README.md LICENSE ./
COPY domain domain
COPY application application
COPY projections projections
COPY infrastructure infrastructure
COPY api api
RUN uv sync --frozen --no-dev --no-editable


FROM python:3.11-slim-bookworm

LABEL org.opencontainers.image.title="Daftar" \
      org.opencontainers.image.description="An event-sourced marketplace backend" \
      org.opencontainers.image.licenses="Apache-2.0"

RUN groupadd --gid 10001 daftar \
 && useradd --uid 10001 --gid daftar --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin daftar

COPY --from=build /opt/daftar /opt/daftar

ENV APP_ENV=production \
    DAFTAR_DATA_DIR=/tmp/daftar \
    PATH=/opt/daftar/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

WORKDIR /tmp
USER 10001:10001
EXPOSE 3000
STOPSIGNAL SIGTERM

# Of the role api only: the others answer no HTTP, so start them with --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + (os.environ.get('PORT') or '3000') + '/health', timeout=2)"]

ENTRYPOINT ["daftar"]
CMD ["role", "api"]

# The two images of Trainyard.
#
#   docker build --target web    -t trainyard-web .      pages, API, migrations; no torch
#   docker build --target worker -t trainyard-worker .   trains; torch with CUDA, several GB
#
# What changes rarely comes first: a changed line of our own code rebuilds seconds, not torch.
# Health checks are in docker-compose.yml, because not every builder keeps them in an image.

# -- the libraries that the pages load ------------------------------------------------------
FROM node:24-slim AS assets
WORKDIR /assets
COPY webui/static/package.json webui/static/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm \
    npm ci --omit=dev --ignore-scripts --no-audit --no-fund

# -- what both images start from ------------------------------------------------------------
FROM python:3.11-slim-bookworm AS python
# Packages live in an environment of their own, so that they are the same whichever way the
# base image was built, and `python` and `trainyard` are the ones in it.
RUN python -m venv /opt/trainyard
ENV PATH=/opt/trainyard/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TRAINYARD_HOME=/var/lib/trainyard
# A fixed number, the same in both images: they share the files of a volume. The folders exist
# and are theirs before a volume is mounted there, because a new volume takes over their owner.
RUN groupadd --gid 10001 trainyard \
    && useradd --uid 10001 --gid trainyard --home-dir "$TRAINYARD_HOME" --no-create-home \
        --shell /usr/sbin/nologin trainyard \
    && install -d -o trainyard -g trainyard \
        "$TRAINYARD_HOME" "$TRAINYARD_HOME/artifacts" "$TRAINYARD_HOME/data"

# -- our own code as one wheel --------------------------------------------------------------
FROM python AS wheel
WORKDIR /source
COPY . .
COPY --from=assets /assets/node_modules webui/static/node_modules
RUN --mount=type=cache,target=/root/.cache/pip \
    pip wheel --no-deps --wheel-dir /wheels .

# -- web ------------------------------------------------------------------------------------
FROM python AS web
COPY requirements/web.lock /tmp/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes --only-binary :all: -r /tmp/web.lock
COPY --from=wheel /wheels /tmp/wheels
RUN pip install --no-deps --no-index /tmp/wheels/*.whl
USER 10001:10001
WORKDIR /var/lib/trainyard
EXPOSE 8327
CMD ["trainyard", "web"]

# -- worker ---------------------------------------------------------------------------------
FROM python AS worker
# for runs that ask torch to compile their network
RUN apt-get update && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
COPY requirements/worker.lock /tmp/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes --only-binary :all: -r /tmp/worker.lock
COPY --from=wheel /wheels /tmp/wheels
RUN pip install --no-deps --no-index /tmp/wheels/*.whl
USER 10001:10001
WORKDIR /var/lib/trainyard
CMD ["trainyard", "worker"]

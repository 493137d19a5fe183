# One file, three images: `--target pipeline`, `server` (CUDA) and `server-cpu`.
#
# The base is pinned by tag and by the digest of its multi-architecture index, packages by the
# hashes of the locks. Any base with Python 3.11 to 3.13 as python3, its venv and pip will do.
ARG BASE_IMAGE=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d

FROM ${BASE_IMAGE} AS base
# HOME and USER: the users below, and any that `docker run --user` names, have none of their own
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp USER=app DO_NOT_TRACK=1 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore


# ---- all of it: `dvc repro`, `dvc exp run`, evaluation of a folder -------------------------------
# Mount a checkout over /repo to work on it; without one there is the code of this build, in a
# repository of its own.
FROM base AS pipeline
COPY requirements.lock /locks/
# Debian keeps one version of each package, so that a pin would soon fail.
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --quiet \
        --no-deps --require-hashes -r /locks/requirements.lock \
    && git config --system user.name pipeline \
    && git config --system user.email pipeline@localhost \
    && git config --system --add safe.directory '*' \
    && install -d -o 10001 -g 10001 /repo
WORKDIR /repo
USER 10001:10001
COPY --chown=10001:10001 . .
RUN rm -rf data/model && git init -q && git add . && git commit -q -m "The code of this image"
ARG SERVER_REVISION=""
LABEL org.opencontainers.image.title="image-classification-pipeline" \
    org.opencontainers.image.description="From labelled photographs to a classifier, by dvc repro" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.revision="${SERVER_REVISION}"
CMD ["dvc", "repro"]


# ---- the packages of a server, without pip -------------------------------------------------------
# EXTRAS: gs (SERVER_MODEL=gs://...), heif (reads HEIC) and monitoring (the route /monitoring), with
# spaces between.
# What packages bring to test themselves stays out; in Evidently `tests` is a part of it.
FROM base AS server-packages
ARG EXTRAS=gs
COPY server/locks /locks/
RUN python3 -m venv --without-pip /opt/venv \
    && for extra in server $EXTRAS; do \
        pip --python /opt/venv/bin/python install --quiet \
            --no-deps --require-hashes -r "/locks/requirements-$extra.lock" || exit; \
    done \
    && find /opt/venv -type d -name tests ! -path '*/evidently/*' -prune -exec rm -r {} +

FROM base AS server-cpu-packages
ARG EXTRAS=gs
COPY server/locks /locks/
RUN python3 -m venv --without-pip /opt/venv \
    && for extra in server-cpu $EXTRAS; do \
        pip --python /opt/venv/bin/python install --quiet \
            --no-deps --require-hashes -r "/locks/requirements-$extra.lock" || exit; \
    done \
    && find /opt/venv -type d -name tests ! -path '*/evidently/*' -prune -exec rm -r {} +


# ---- what both servers are, but for packages and code --------------------------------------------
# Predictions go to stdout, so that nothing needs to be writable. To have them in a folder, mount a
# volume there: -v predictions:/srv/data/predictions -e SERVER_PREDICTION_LOG=data/predictions
FROM base AS serving
RUN install -d -o 10001 -g 10001 /srv/data/predictions
WORKDIR /srv
ENV SERVER_HOST=0.0.0.0 SERVER_PORT=8000 SERVER_PREDICTION_LOG=stdout
LABEL org.opencontainers.image.title="image-classification-server" \
    org.opencontainers.image.description="Answers what is in an image, by one ONNX file" \
    org.opencontainers.image.licenses="Apache-2.0"
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-m", "server.probe"]
CMD ["python", "-m", "server"]


# ---- the servers ---------------------------------------------------------------------------------
# What lies at data/model/model.onnx is baked in; mount another over it, or name one: SERVER_MODEL.
# NVIDIA_*: what the container toolkit of NVIDIA is to bring in, its driver alone.
FROM serving AS server
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=server-packages /opt/venv /opt/venv
COPY data data
COPY server server
ARG SERVER_REVISION=""
ENV SERVER_REVISION=${SERVER_REVISION}
LABEL org.opencontainers.image.revision="${SERVER_REVISION}"
USER 10001:10001

FROM serving AS server-cpu
COPY --from=server-cpu-packages /opt/venv /opt/venv
COPY data data
COPY server server
ARG SERVER_REVISION=""
ENV SERVER_REVISION=${SERVER_REVISION}
LABEL org.opencontainers.image.revision="${SERVER_REVISION}"
USER 10001:10001

# Two images of one house: `api` serves HTTP and has no torch, `worker` draws.
#   docker build --target api -t easel-api .
#   docker build --target worker -t easel-worker .
# Weights are in neither: they are mounted. TORCH_INDEX empty takes PyTorch with CUDA from pip's default index.

ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

# ── what the API needs ───────────────────────────────────────────────────────────────────────────────────────────────
FROM ${PYTHON_IMAGE} AS build-api
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN python -m venv /opt/easel
ENV PATH=/opt/easel/bin:$PATH
WORKDIR /src
# Dependencies first: a change of the code leaves their layer as it is.
COPY pyproject.toml constraints.txt docker/dependencies.py ./
RUN { python dependencies.py; python dependencies.py s3; python dependencies.py otel; } > requirements.txt \
    && pip install -c constraints.txt -r requirements.txt
COPY . .
RUN pip install --no-deps . && python -m compileall -q /opt/easel/lib

# ── what drawing needs besides ───────────────────────────────────────────────────────────────────────────────────────
FROM build-api AS build-worker
ARG TORCH_INDEX=""
# torch's own tests have files that only later Pythons can read.
RUN pip install -c constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch \
    && python dependencies.py worker > requirements.txt \
    && pip install -c constraints.txt -r requirements.txt \
    && python -m compileall -q -x torch/testing/_internal /opt/easel/lib

# ── what both run in ─────────────────────────────────────────────────────────────────────────────────────────────────
FROM ${PYTHON_IMAGE} AS runtime
LABEL org.opencontainers.image.title="easel" \
      org.opencontainers.image.description="A self-hosted SDXL + LoRA image server that speaks the Wiro API" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --create-home --home-dir /home/easel --shell /usr/sbin/nologin easel \
    && install -d -o easel -g easel -m 0700 /data \
    && install -d /models
# Nothing is written outside /data and /tmp, so the root file system may be mounted read-only.
ENV PATH=/opt/easel/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1 \
    HF_HOME=/tmp/huggingface \
    EASEL_DATA_DIR=/data \
    EASEL_MODELS_DIR=/models \
    EASEL_HOST=0.0.0.0 \
    EASEL_MINIATURE=0
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["easel"]

FROM runtime AS worker
COPY --from=build-worker /opt/easel /opt/easel
# Loading real weights from a slow disk takes minutes.
HEALTHCHECK --interval=15s --timeout=10s --start-period=10m --retries=4 CMD ["easel", "worker", "--check"]
CMD ["worker"]

# Last, so that a build without --target makes the small image.
FROM runtime AS api
COPY --from=build-api /opt/easel /opt/easel
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["easel", "api", "--check"]
CMD ["api"]

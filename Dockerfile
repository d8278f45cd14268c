# Two stages: the first has pip and builds, the second only runs.
FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/pannier
COPY requirements.lock requirements-postgres.lock /src/
RUN /opt/pannier/bin/pip install --require-hashes \
    -r /src/requirements.lock -r /src/requirements-postgres.lock
COPY . /src
# Byte code is compiled here: the running container cannot write it.
RUN /opt/pannier/bin/pip install --no-deps /src \
    && /opt/pannier/bin/pip uninstall --yes pip \
    && /opt/pannier/bin/python -m compileall -q /opt/pannier


FROM python:3.13-slim

# `container` tells Pannier that "localhost" is not the host here.
ENV PATH=/opt/pannier/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PANNIER_HOST=0.0.0.0 \
    PANNIER_STATE_DIR=/var/lib/pannier \
    container=docker

COPY --from=build /opt/pannier /opt/pannier
RUN useradd --system --uid 10001 --home-dir /var/lib/pannier --create-home pannier
USER 10001
# The only place it writes to; the root may be read-only (docker run --read-only).
WORKDIR /var/lib/pannier
VOLUME /var/lib/pannier

# PORT or PANNIER_PORT changes it.
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request as u; e = os.environ.get; u.urlopen('http://127.0.0.1:%s/health' % (e('PANNIER_PORT') or e('PORT') or 8080), timeout=4)"]

# Running answers may end: gunicorn takes SIGTERM as "gracefully".
STOPSIGNAL SIGTERM
CMD ["pannier", "serve"]

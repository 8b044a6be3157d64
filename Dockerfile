# Herkend as an image for any host: `docker build --tag herkend .`; compose.yaml shows it at work.
#
# The base is named by its tag, so that every build has its latest security fixes. Who wants the same bytes each time
# names a digest: --build-arg PYTHON=python:3.11-slim-bookworm@sha256:...
ARG PYTHON=python:3.11-slim-bookworm

# What is needed to build stays behind in this stage: pip, hatchling, Node and the page's packages.
FROM ${PYTHON} AS build
WORKDIR /source
RUN ["python", "-m", "venv", "--without-pip", "/opt/herkend"]
COPY requirements.txt ./
RUN ["python", "-m", "pip", "--no-cache-dir", "--python", "/opt/herkend", "install", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", "requirements.txt"]
COPY pyproject.toml manifest.json README.md LICENSE ./
COPY frontend frontend
COPY plugin plugin
COPY webhooks webhooks
COPY sandbox sandbox
RUN ["python", "-m", "pip", "--no-cache-dir", "--python", "/opt/herkend", "install", "--no-deps", "."]

FROM ${PYTHON}
LABEL org.opencontainers.image.title="Herkend" \
      org.opencontainers.image.description="A Saleor App that recognises a webshop's customers." \
      org.opencontainers.image.licenses="BSD-3-Clause"
# A user with a name, although a number is all that is asked of it: initdb looks its own name up.
RUN ["useradd", "--uid", "10001", "--user-group", "--no-create-home", "--home-dir", "/var/lib/herkend", "--shell", "/usr/sbin/nologin", "herkend"]
RUN ["install", "--directory", "--owner", "herkend", "--group", "herkend", "--mode", "0700", "/var/lib/herkend"]
COPY --from=build /opt/herkend /opt/herkend
ENV PATH=/opt/herkend/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HERKEND_HOST=0.0.0.0 \
    HERKEND_DATA=/var/lib/herkend
# The embedded database and its key, where no DATABASE_URL names another. All else may be read-only, but for /tmp.
VOLUME /var/lib/herkend
WORKDIR /var/lib/herkend
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# By http.client, because what the operator set as a proxy is none of loopback's business.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, sys; from http.client import HTTPConnection; door = HTTPConnection('127.0.0.1', int(os.environ.get('HERKEND_PORT') or 8000), timeout=4); door.request('GET', '/healthz'); sys.exit(door.getresponse().status != 200)"]
ENTRYPOINT ["herkend"]
CMD ["run"]

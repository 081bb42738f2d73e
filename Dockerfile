FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# The base image's pip fills the environment, which therefore needs none of its own.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/kappafit \
 && pip --python /opt/kappafit/bin/python install \
        --require-hashes --only-binary :all: --requirement requirements.lock \
 && find /opt/kappafit -type d -name tests -prune -exec rm -r {} + # 74 MB that nobody runs here
COPY pyproject.toml README.md LICENSE ./
COPY solver solver
COPY app app
RUN pip --python /opt/kappafit/bin/python install --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="kappafit" \
      org.opencontainers.image.description="Thermal parameters of a heated bar from measured temperatures" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.authors="the kappafit authors"
ENV PATH=/opt/kappafit/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    KAPPAFIT_CACHE=/var/cache/kappafit \
    KAPPAFIT_DATA=/var/lib/kappafit
RUN groupadd --gid 10001 kappafit \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/kappafit \
        --shell /usr/sbin/nologin kappafit \
 && install -d -o kappafit -g kappafit /var/cache/kappafit /var/lib/kappafit
COPY --from=build /opt/kappafit /opt/kappafit
COPY --chmod=0755 docker/entrypoint.sh /usr/local/bin/
USER 10001:10001
# The kernels' machine code is kept under the environment's path, for this machine's processor: where
# the image runs on another kind, the service compiles them anew as it starts (a minute or two).
RUN kappafit warm-up
VOLUME /var/lib/kappafit
EXPOSE 8000
# Python's http.client, unlike urllib, heeds no proxy settings that the container may have been given.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "\
import http.client, sys; \
connection = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4); \
connection.request('GET', '/readyz'); \
sys.exit(connection.getresponse().status != 200)"]
# It listens on all addresses of its container, and so asks for keys: `docker exec CONTAINER kappafit
# keys add NAME` makes one. With -e KAPPAFIT_KEYS=off none is needed, for a port that is published on
# this machine alone: -p 127.0.0.1:8000:8000.
ENTRYPOINT ["entrypoint.sh"]
CMD ["kappafit", "serve", "--host", "0.0.0.0", "--port", "8000"]

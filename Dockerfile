# A node with its page and its clips:
#   docker build -t counter:latest . && docker run -it -p 1234:1234 counter:latest    (then http://localhost:1234)
# Each setting of `ratchet node` is also a variable. In a cluster a node needs these (others reach it at a.example):
#   -e RATCHET_NAME=a -e RATCHET_ADVERTISE=http://a.example:1234 -e RATCHET_PEER=http://b.example:1234 -e RATCHET_SECRET=...

FROM python:3.12.11-slim-bookworm AS build
WORKDIR /build

# The final image copies the virtual environment, which holds what a node needs to run. The build tools stay in this stage.
# Hashes lock both. They come before the sources, so that a change of the sources downloads nothing again.
COPY requirements/ requirements/
RUN python -m venv /opt/ratchet \
    && /opt/ratchet/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt -r requirements/extras.txt \
    && pip install --no-cache-dir --require-hashes -r requirements/build.txt -r requirements/npm.txt

COPY core/ core/
COPY browser/ browser/
RUN mkdir -p server/src/ratchet_server && python browser/build.py
COPY server/ server/
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels core/ server/ \
    && /opt/ratchet/bin/pip install --no-cache-dir --no-deps --no-index wheels/*.whl

FROM python:3.12.11-slim-bookworm
# A node needs only one right: to write /data.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin ratchet \
    && install -d -o ratchet -g ratchet /data
COPY --from=build /opt/ratchet /opt/ratchet
COPY server/src/ratchet_server/demo/clips/ /opt/ratchet/media/

ENV PATH=/opt/ratchet/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RATCHET_MEDIA=/opt/ratchet/media

USER 10001
VOLUME /data
EXPOSE 1234

# It finds the node by the same variables, so set a port by RATCHET_PORT, and not by a flag.
HEALTHCHECK --interval=5s --timeout=3s --start-period=15s CMD ["python", "-m", "ratchet_server.health"]

# It gives some settings other defaults in a container, also when their variables are given but empty. Then it becomes the
# command: so the node is process 1, and receives Ctrl-C and SIGTERM itself.
ENTRYPOINT ["python", "-m", "ratchet_server.container"]
CMD ["node"]

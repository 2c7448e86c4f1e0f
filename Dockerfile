# The server alone: one executable with the dashboard inside, on a base that brings nothing but glibc.
# Base images can be named by digest: docker build --build-arg BUN=oven/bun:1@sha256:… --build-arg BASE=…
ARG BUN=oven/bun:1
ARG BASE=debian:bookworm-slim

FROM ${BUN} AS build
WORKDIR /build
COPY package.json bun.lock ./
COPY patches patches
# frozen, so that the patch of bun-pty applies
RUN bun install --frozen-lockfile --omit=dev --omit=peer
COPY .ci .ci
COPY src src
COPY public public
RUN bun run build here && mv dist/claude-remote-* dist/claude-remote

FROM ${BASE}
RUN mkdir -m 700 /data && chown 7200:7200 /data
COPY --from=build /build/dist/claude-remote /usr/local/bin/claude-remote
USER 7200:7200
# in a container all addresses are the container's own; whether that may be plain HTTP is for who publishes the port (compose.yml)
ENV HOME=/data CLAUDE_REMOTE_DATA=/data CLAUDE_REMOTE_HOST=0.0.0.0
VOLUME /data
WORKDIR /data
EXPOSE 7200
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["claude-remote", "server", "status"]
ENTRYPOINT ["claude-remote"]
CMD ["server"]

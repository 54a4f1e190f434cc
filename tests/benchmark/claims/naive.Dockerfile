# SPDX-License-Identifier: GPL-3.0-or-later
# The example app as many first Dockerfiles do it: one stage, all of node_modules, `next start`.
ARG BASE
FROM ${BASE}
ENV NEXT_TELEMETRY_DISABLED=1 CHECKPOINT_DISABLE=1 PRISMA_SCHEMA_ENGINE_BINARY=/bin/false
WORKDIR /app
COPY . .
RUN --mount=type=secret,id=ca_bundle \
    if [ -s /run/secrets/ca_bundle ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca_bundle; fi \
 && sed -i "/output: 'standalone'/d" next.config.ts \
 && npm ci && npx prisma generate && npx next build
ENV NODE_ENV=production
USER 1001:1001
CMD ["npx", "next", "start"]

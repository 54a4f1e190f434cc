// SPDX-License-Identifier: GPL-3.0-or-later
import type { NextConfig } from 'next'

const config: NextConfig = {
  output: 'standalone',
  poweredByHeader: false,
  // The edge compresses, and with a better method.
  compress: false,
  images: { unoptimized: true },
  serverExternalPackages: ['ioredis', 'pg', 'prom-client'],
  // Files that are read at run time and that no import statement shows.
  outputFileTracingIncludes: {
    '/api/books/[file]': ['./books/*.pdf'],
    '/api/scan': ['./scripts/seed.mjs', './src/lib/pool.ts', './src/lib/password.ts'],
  },
}

export default config

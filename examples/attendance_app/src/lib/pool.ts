// SPDX-License-Identifier: GPL-3.0-or-later
import type { PoolConfig } from 'pg'

type Env = Record<string, string | undefined>

function positive(...candidates: (string | null | undefined)[]): number | undefined {
  return candidates.map(Number).find((value) => Number.isInteger(value) && value > 0)
}

/**
 * The settings of the database pool. Prisma 7 leaves connection_limit (connections) and pool_timeout
 * (seconds) in DATABASE_URL unread, so they become the pool's own limits here; DATABASE_POOL_MAX and
 * DATABASE_POOL_TIMEOUT_MS come first.
 */
export function poolConfig(env: Env): PoolConfig {
  if (!env.DATABASE_URL) throw new Error('DATABASE_URL is not set: postgresql://user:password@host:port/database')
  const url = new URL(env.DATABASE_URL)
  const limit = url.searchParams.get('connection_limit')
  const timeout = positive(url.searchParams.get('pool_timeout')) ?? 10
  for (const name of ['connection_limit', 'pool_timeout', 'pgbouncer', 'schema']) url.searchParams.delete(name)
  return {
    connectionString: url.toString(),
    max: positive(env.DATABASE_POOL_MAX, limit) ?? 10,
    connectionTimeoutMillis: positive(env.DATABASE_POOL_TIMEOUT_MS) ?? timeout * 1000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    application_name: 'attendance-app',
  }
}

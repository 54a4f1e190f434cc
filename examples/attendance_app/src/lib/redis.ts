// SPDX-License-Identifier: GPL-3.0-or-later
import { Redis } from 'ioredis'

const shared = globalThis as typeof globalThis & { attendanceRedis?: Redis }

/** A command fails after two seconds at the latest: a page must not wait for a server that is away. */
export function redis(): Redis {
  if (!shared.attendanceRedis) {
    shared.attendanceRedis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379/0', {
      commandTimeout: 2000,
      connectTimeout: 2000,
      maxRetriesPerRequest: 1,
      retryStrategy: (attempt) => Math.min(attempt * 100, 2000),
    })
    shared.attendanceRedis.on('error', (error: Error) => console.error('redis:', error.message))
  }
  return shared.attendanceRedis
}

// SPDX-License-Identifier: GPL-3.0-or-later
import { database } from '../../../../lib/database.ts'
import { redis } from '../../../../lib/redis.ts'

export const dynamic = 'force-dynamic'

async function probe(name: string, work: () => PromiseLike<unknown>): Promise<boolean> {
  const late = new Promise((_, reject) => setTimeout(reject, 3000, new Error('no answer within 3 s')).unref())
  const failed = (error: Error) => console.error(`health: ${name}: ${error.message}`)
  return Promise.race([work(), late]).then(() => true, (error) => (failed(error), false))
}

/** For verification and alerts: a query through the pool and a command to Redis. Never a reason to restart. */
export async function GET(): Promise<Response> {
  const [databaseOk, redisOk] = await Promise.all([
    probe('database', () => database().prisma.$queryRaw`SELECT 1`),
    probe('redis', () => redis().ping()),
  ])
  const status = databaseOk && redisOk ? 200 : 503
  return Response.json({ database: databaseOk, redis: redisOk }, { status, headers: { 'cache-control': 'no-store' } })
}

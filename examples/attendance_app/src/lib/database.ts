// SPDX-License-Identifier: GPL-3.0-or-later
import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { PrismaClient } from '../generated/prisma/client.ts'
import { poolConfig } from './pool.ts'

type Database = { pool: Pool; prisma: PrismaClient }

// One pool a process: Next.js may load this module once per bundle.
const shared = globalThis as typeof globalThis & { attendanceDatabase?: Database }

export function database(): Database {
  if (!shared.attendanceDatabase) {
    const pool = new Pool(poolConfig(process.env))
    pool.on('error', (error) => console.error('database: an idle connection was lost:', error.message))
    shared.attendanceDatabase = { pool, prisma: new PrismaClient({ adapter: new PrismaPg(pool) }) }
  }
  return shared.attendanceDatabase
}

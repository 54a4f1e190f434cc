// SPDX-License-Identifier: GPL-3.0-or-later
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { database } from './database.ts'
import { countReaders, countSessions, countUsersToday } from './sessions.ts'

function create() {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })

  const shared = (name: string, help: string, read: () => Promise<number>) =>
    new Gauge({ name, help, registers, collect() { return read().then((value) => this.set(value), () => this.remove()) } })
  shared('app_sessions_active', 'Signed-in sessions, the same figure on every replica', countSessions)
  shared('app_pdf_readers', 'Readers who asked for a PDF in the last five minutes', countReaders)
  shared('app_users_active_today', 'Users who signed in since midnight UTC', countUsersToday)
  new Gauge({
    name: 'app_database_pool_connections',
    help: 'Connections of the pool of this replica, and requests waiting for one',
    labelNames: ['state'],
    registers,
    collect() {
      const { pool } = database()
      this.set({ state: 'open' }, pool.totalCount)
      this.set({ state: 'idle' }, pool.idleCount)
      this.set({ state: 'waiting' }, pool.waitingCount)
      this.set({ state: 'limit' }, pool.options.max)
    },
  })
  const signIns = new Counter({ name: 'app_sign_ins_total', help: 'Attempts to sign in', labelNames: ['result'], registers })
  const scans = new Counter({ name: 'app_scans_total', help: 'Barcode scans', labelNames: ['result'], registers })
  for (const result of ['ok', 'failed']) signIns.inc({ result }, 0)
  for (const result of ['recorded', 'duplicate', 'refused']) scans.inc({ result }, 0)
  return {
    registry,
    signIns,
    scans,
    bookReads: new Counter({ name: 'app_book_reads_total', help: 'PDF requests answered', labelNames: ['book'], registers }),
    requests: new Histogram({
      name: 'app_http_request_duration_seconds',
      help: 'Time from the request to the last byte of its answer',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10],
      registers,
    }),
  }
}

const shared = globalThis as typeof globalThis & { attendanceMetrics?: ReturnType<typeof create> }

export const metrics = () => (shared.attendanceMetrics ??= create())

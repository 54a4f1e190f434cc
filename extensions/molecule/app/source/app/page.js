// SPDX-License-Identifier: GPL-3.0-or-later
import { createHash } from 'node:crypto'
import pg from 'pg'

export const dynamic = 'force-dynamic'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
pool.on('error', (error) => console.error(error.message))

export default async function Page() {
  if (process.env.BOARD_TROUBLE === 'page') throw new Error('the board fell off the wall')
  const { rows } = await pool.query('SELECT title, (SELECT count(*) FROM migration) AS migrations FROM notice')
  const [{ title, migrations }] = rows
  const token = createHash('sha256').update(process.env.BOARD_TOKEN).digest('hex')
  return <pre>{JSON.stringify({ version: process.env.BOARD_VERSION, title, migrations: Number(migrations), token })}</pre>
}

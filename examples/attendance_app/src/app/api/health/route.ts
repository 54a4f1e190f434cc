// SPDX-License-Identifier: GPL-3.0-or-later
export const dynamic = 'force-dynamic'

/** Alive: the process answers. Nothing else is asked, so no other service can have this one restarted. */
export function GET(): Response {
  return Response.json({ status: 'ok' }, { headers: { 'cache-control': 'no-store' } })
}

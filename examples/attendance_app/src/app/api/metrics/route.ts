// SPDX-License-Identifier: GPL-3.0-or-later
import { metrics } from '../../../lib/metrics.ts'

export const dynamic = 'force-dynamic'

export async function GET(): Promise<Response> {
  const { registry } = metrics()
  return new Response(await registry.metrics(), { headers: { 'content-type': registry.contentType } })
}

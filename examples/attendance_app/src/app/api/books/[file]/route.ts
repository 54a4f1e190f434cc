// SPDX-License-Identifier: GPL-3.0-or-later
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { metrics } from '../../../../lib/metrics.ts'
import { noteReader } from '../../../../lib/sessions.ts'
import { bookSlug } from '../../../../lib/validation.ts'

async function load(slug: string) {
  const bytes = await readFile(join(process.cwd(), 'books', `${slug}.pdf`)).catch(() => undefined)
  if (!bytes) return undefined
  return { bytes: new Uint8Array(bytes), etag: `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"` }
}

export async function GET(request: Request, { params }: { params: Promise<{ file: string }> }): Promise<Response> {
  const slug = bookSlug((await params).file)
  const book = slug ? await load(slug) : undefined
  if (!slug || !book) return Response.json({ error: 'no such book' }, { status: 404 })

  metrics().bookReads.inc({ book: slug })
  void noteReader(request.headers.get('x-forwarded-for')?.split(',', 1)[0]?.trim() ?? 'unknown')
  const { bytes, etag } = book
  const headers = { 'cache-control': 'public, max-age=86400', 'content-type': 'application/pdf', etag }
  if (request.headers.get('if-none-match') === etag) return new Response(null, { status: 304, headers })
  return new Response(bytes, { headers })
}

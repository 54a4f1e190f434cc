// SPDX-License-Identifier: GPL-3.0-or-later
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { metrics } from '../../../../lib/metrics.ts'
import { noteReader } from '../../../../lib/sessions.ts'
import { bookSlug, parseRange } from '../../../../lib/validation.ts'

type Book = { bytes: Uint8Array<ArrayBuffer>; etag: string }

// The books belong to the image and are few: each is read once.
const books = new Map<string, Book>()

async function load(slug: string): Promise<Book | undefined> {
  const known = books.get(slug)
  if (known) return known
  try {
    const bytes = new Uint8Array(await readFile(join(process.cwd(), 'books', `${slug}.pdf`)))
    const book = { bytes, etag: `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"` }
    books.set(slug, book)
    return book
  } catch {
    return undefined
  }
}

export async function GET(request: Request, { params }: { params: Promise<{ file: string }> }): Promise<Response> {
  const slug = bookSlug((await params).file)
  const book = slug ? await load(slug) : undefined
  if (!slug || !book) return Response.json({ error: 'no such book' }, { status: 404 })

  metrics().bookReads.inc({ book: slug })
  void noteReader(request.headers.get('x-forwarded-for')?.split(',', 1)[0]?.trim() ?? 'unknown')
  const { bytes, etag } = book
  const headers = { 'accept-ranges': 'bytes', 'cache-control': 'public, max-age=86400', etag }
  if (request.headers.get('if-none-match') === etag) return new Response(null, { status: 304, headers })

  const range = parseRange(request.headers.get('range'), bytes.length)
  if (range === 'unsatisfiable')
    return new Response(null, { status: 416, headers: { ...headers, 'content-range': `bytes */${bytes.length}` } })
  const pdf = { ...headers, 'content-type': 'application/pdf' }
  if (!range) return new Response(bytes, { headers: pdf })
  const part = { ...pdf, 'content-range': `bytes ${range.start}-${range.end}/${bytes.length}` }
  return new Response(bytes.subarray(range.start, range.end + 1), { status: 206, headers: part })
}

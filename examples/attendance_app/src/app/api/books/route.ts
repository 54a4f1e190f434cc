// SPDX-License-Identifier: GPL-3.0-or-later
import { database } from '../../../lib/database.ts'

export const dynamic = 'force-dynamic'

export async function GET(): Promise<Response> {
  const books = await database().prisma.book.findMany({ orderBy: { title: 'asc' } })
  const list = books.map(({ slug, title, author, pages }) => ({ title, author, pages, pdf: `/api/books/${slug}.pdf` }))
  return Response.json(list, { headers: { 'cache-control': 'public, max-age=60' } })
}

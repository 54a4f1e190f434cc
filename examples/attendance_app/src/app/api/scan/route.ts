// SPDX-License-Identifier: GPL-3.0-or-later
import { currentUser } from '../../../lib/auth.ts'
import { database } from '../../../lib/database.ts'
import { metrics } from '../../../lib/metrics.ts'
import { parseScan } from '../../../lib/validation.ts'

function refuse(status: number, error: string): Response {
  metrics().scans.inc({ result: 'refused' })
  return Response.json({ error }, { status })
}

/** Marks a student present. The same scan twice is no error: the first one counts. */
export async function POST(request: Request): Promise<Response> {
  if (!(await currentUser())) return refuse(401, 'sign in first')
  const scan = parseScan(await request.json().catch(() => null))
  if (typeof scan === 'string') return refuse(400, scan)

  const { prisma } = database()
  const [student, session] = await Promise.all([
    prisma.student.findUnique({ where: { admissionNumber: scan.admissionNumber } }),
    prisma.classSession.findUnique({ where: { id: scan.sessionId }, select: { id: true } }),
  ])
  if (!student) return refuse(404, `no student has the admission number ${scan.admissionNumber}`)
  if (!session) return refuse(404, `there is no session ${scan.sessionId}`)

  const data = [{ studentId: student.id, sessionId: session.id }]
  const { count } = await prisma.attendance.createMany({ data, skipDuplicates: true })
  metrics().scans.inc({ result: count ? 'recorded' : 'duplicate' })
  return Response.json({ student: student.name, duplicate: count === 0 }, { status: count ? 201 : 200 })
}

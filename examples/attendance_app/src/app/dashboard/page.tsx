// SPDX-License-Identifier: GPL-3.0-or-later
import { redirect } from 'next/navigation'
import { currentUser } from '../../lib/auth.ts'
import { database } from '../../lib/database.ts'

export default async function Dashboard() {
  const user = await currentUser()
  if (!user) redirect('/login')

  const { prisma } = database()
  const midnight = new Date()
  midnight.setHours(0, 0, 0, 0)
  const [students, today, books, recent] = await Promise.all([
    prisma.student.count(),
    prisma.attendance.count({ where: { markedAt: { gte: midnight } } }),
    prisma.book.count(),
    prisma.attendance.findMany({ orderBy: { markedAt: 'desc' }, take: 10, include: { student: true, session: true } }),
  ])
  const figures = { Students: students, 'Present today': today, Books: books }

  return (
    <>
      <h1>{process.env.APP_TITLE ?? 'Attendance'}</h1>
      <p>Signed in as {user.name}. <a href="/api/auth/signout">Sign out</a></p>
      <dl>
        {Object.entries(figures).map(([name, value]) => (
          <div key={name}><dt>{name}</dt><dd>{value}</dd></div>
        ))}
      </dl>
      <h2>Recent scans</h2>
      <table>
        <thead><tr><th>Student</th><th>Session</th><th>Time</th></tr></thead>
        <tbody>
          {recent.map((row) => (
            <tr key={String(row.id)}>
              <td>{row.student.name}</td><td>{row.session.name}</td><td>{row.markedAt.toLocaleTimeString('en-GB')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}

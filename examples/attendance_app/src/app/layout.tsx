// SPDX-License-Identifier: GPL-3.0-or-later
import type { Metadata } from 'next'
import type { ReactNode } from 'react'
import './globals.css'

export const metadata: Metadata = { title: 'Attendance', description: 'Attendance by barcode and a small library' }

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body><main>{children}</main></body>
    </html>
  )
}

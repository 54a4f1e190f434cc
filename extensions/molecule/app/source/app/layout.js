// SPDX-License-Identifier: GPL-3.0-or-later
export default function Layout({ children }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  )
}

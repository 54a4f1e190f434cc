// SPDX-License-Identifier: GPL-3.0-or-later
// The migration runs in the image, and no page imports it.
export default { outputFileTracingIncludes: { '/': ['./scripts/migrate.mjs'] } }

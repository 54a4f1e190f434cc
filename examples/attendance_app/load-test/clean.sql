-- SPDX-License-Identifier: GPL-3.0-or-later
-- Runs before prepare.sql as well, for a test that was cut off.
DELETE FROM "Attendance" WHERE "sessionId" = 2000000001;
DELETE FROM "ClassSession" WHERE "id" = 2000000001;
DELETE FROM "Student" WHERE "admissionNumber" LIKE 'LOAD-TEST-%';
DELETE FROM "User" WHERE "username" LIKE 'load-test-%';

# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The autoscaler of a stack: a service in a container, its gate to the engine, and the command of the host.

All three are made of these files, which need Python's standard library alone.
"""

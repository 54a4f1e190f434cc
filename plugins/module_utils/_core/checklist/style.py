# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The style sheet of the report.

Every colour of a text has a contrast of 4.5 and more on what it stands on, and every colour of a mark of 3 and more
(WCAG 2.2, AA), by day and by night. Paper is white.
"""

from __future__ import annotations

_DAY = """--ink: #1b1f24; --soft: #4a5361; --line: #c9ced6; --paper: #ffffff; --tint: #f4f6f8; --link: #0b4f9e;
  --fail: #a4161a; --warn: #7a4a00; --skipped: #4a5361; --pass: #14632e; --bar: #2b6cb0; --mark: #1b1f24;"""
_NIGHT = """--ink: #e8eaed; --soft: #b3bac5; --line: #4a5361; --paper: #16191d; --tint: #22272e; --link: #8ab8f5;
  --fail: #ff8f8a; --warn: #f2b950; --skipped: #b3bac5; --pass: #79d296; --bar: #6aa9ee; --mark: #e8eaed;"""

STYLE = f"""
:root {{ {_DAY} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ {_NIGHT} }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }}
header, main, footer {{ max-width: 66rem; margin: 0 auto; padding: 0 1rem; }}
header {{ padding-top: 1.5rem; }} footer {{ padding-bottom: 2rem; }}
h1 {{ font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.25rem; margin: 2.5rem 0 .75rem; border-bottom: 2px solid var(--line); }}
h3 {{ font-size: 1rem; line-height: 1.3; margin: 0; }}
p {{ margin: .4rem 0; }}
a, summary {{ color: var(--link); }}
.soft {{ color: var(--soft); }}
.verdict {{ font-weight: 700; white-space: nowrap; }}
.fail {{ --own: var(--fail); }} .warn {{ --own: var(--warn); }}
.skipped {{ --own: var(--skipped); }} .pass {{ --own: var(--pass); }}
.verdict {{ color: var(--own); }}
.banner {{ color: var(--own); border-left: .5rem solid; padding: .75rem 1rem; background: var(--tint);
  font-size: 1.15rem; }}
.cards {{ list-style: none; margin: 0; padding: 0; display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); }}
.card {{ border: 1px solid var(--line); border-top: .35rem solid var(--own); padding: .75rem 1rem; }}
.card .verdict {{ font-size: 1.3rem; margin: .2rem 0; }}
ol {{ padding-left: 1.4rem; }} li {{ overflow-wrap: anywhere; }} ol li {{ margin: .5rem 0; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; margin: .5rem 0; }}
caption {{ text-align: left; color: var(--soft); }}
th .soft {{ font-weight: 400; }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }}
.item {{ border: 1px solid var(--line); border-left: .4rem solid var(--own); padding: .35rem .9rem; margin: .35rem 0; }}
.item > summary {{ color: var(--ink); overflow-wrap: anywhere; }}
summary {{ cursor: pointer; }}
dl {{ display: grid; grid-template-columns: 6rem 1fr; gap: .1rem .75rem; margin: .6rem 0; }}
dt {{ color: var(--soft); }} dd {{ margin: 0; overflow-wrap: anywhere; }}
pre {{ background: var(--tint); padding: .6rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }}
:focus-visible {{ outline: 3px solid var(--link); outline-offset: 2px; }}
.charts {{ display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); }}
figure {{ margin: 0; }} figcaption {{ font-weight: 700; margin-bottom: .3rem; }}
svg {{ width: 100%; max-width: 32rem; height: auto; display: block; }}
svg text {{ font: 13px system-ui, sans-serif; fill: var(--ink); }} svg .number {{ fill: var(--soft); }}
.bar, .dot {{ fill: var(--bar); }} .over {{ fill: var(--fail); stroke: var(--ink); stroke-dasharray: 3 2; }}
.line {{ fill: none; stroke: var(--bar); stroke-width: 2; }} .axis {{ stroke: var(--line); fill: none; }}
.target {{ stroke: var(--mark); stroke-width: 2; stroke-dasharray: 4 3; fill: none; }}
.part {{ fill: var(--own); stroke: var(--paper); }}
.keys {{ list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .3rem 0; padding: 0; }}
.key::before {{ content: ""; display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem;
  background: var(--own); }}
@media (max-width: 40rem) {{
  dl {{ grid-template-columns: 1fr; }} dd {{ margin-bottom: .4rem; }} h1 {{ font-size: 1.35rem; }} }}
@media print {{ @page {{ margin: 15mm; }} body {{ font-size: 9.5pt; }}
  header, main, footer {{ max-width: none; padding: 0; }} figure details {{ display: none; }}
  .item, .card, figure, li, tr {{ break-inside: avoid; }} h2 {{ break-after: avoid; margin-top: 1.2rem; }}
  .wide {{ overflow: visible; }} a {{ color: inherit; text-decoration: none; }}
  * {{ print-color-adjust: exact; -webkit-print-color-adjust: exact; }} }}
"""

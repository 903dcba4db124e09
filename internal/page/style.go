package page

// style is the style of the page. It must hold neither & nor <, which
// would need escaping.
const style = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b2129; --soft: #59636e; --faint: #e3e7ec; --shade: #f4f6f8; --worth: #eceff3; --tick: #e6eaee;
  --good: #0b7a4b; --bad: #bf2f2a; --same: #33629c; --open: #56616d; --warn: #925600; --link: #1f5fa8;
  --good-tint: #e5f4ec; --bad-tint: #fbeae8; --same-tint: #e8f0f9; --open-tint: #eef1f4; --warn-tint: #fdf1dc;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --ink: #e6eaee; --soft: #9ba6b2; --faint: #2c343d; --shade: #1b2027; --worth: #222932; --tick: #29313a;
    --good: #4fc48c; --bad: #ff8a80; --same: #8db8ec; --open: #a5b0bc; --warn: #f0b35a; --link: #8db8ec;
    --good-tint: #15302a; --bad-tint: #3a2022; --same-tint: #1b2b40; --open-tint: #252c34; --warn-tint: #382b17;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 70rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.2; margin: 0; font-weight: 650; letter-spacing: -0.01em; }
h1 { font-size: 2rem; }
h2 { font-size: 1.375rem; margin-top: 3.25rem; }
h3 { font-size: 1.0625rem; }
p { margin: 0.5rem 0 0; }
a { color: var(--link); text-underline-offset: 0.15em; }
.kicker { margin: 0 0 0.25rem; color: var(--soft); font-size: 0.8125rem; }
.lead { max-width: 46rem; font-size: 1.0625rem; color: var(--soft); }
.sub, .note { color: var(--soft); font-size: 0.875rem; }
.sub { max-width: 52rem; margin-top: 0.25rem; }
.note { font-size: 0.8125rem; font-weight: 400; }
.line { display: block; }
.facts { display: flex; flex-wrap: wrap; gap: 0.75rem 2.25rem; margin: 1.25rem 0 0; }
.facts dt { color: var(--soft); font-size: 0.75rem; }
.facts dd { margin: 0; font-size: 0.9375rem; font-variant-numeric: tabular-nums; }
.verdict { margin-top: 1.75rem; padding: 1.125rem 1.375rem 1.25rem; border-left: 5px solid currentColor; border-radius: 3px; }
.verdict h2 { margin: 0; font-size: 1.5rem; }
.verdict p { margin-top: 0.375rem; max-width: 52rem; color: var(--ink); font-size: 1.0625rem; }
.verdict.good, .chip.good { color: var(--good); background: var(--good-tint); }
.verdict.bad, .chip.bad { color: var(--bad); background: var(--bad-tint); }
.verdict.same, .chip.same { color: var(--same); background: var(--same-tint); }
.verdict.open, .chip.open { color: var(--open); background: var(--open-tint); }
.verdict.warn, .chip.warn { color: var(--warn); background: var(--warn-tint); }
.chip { display: inline-block; padding: 0.05rem 0.5rem; border-radius: 1rem; font-size: 0.75rem; font-weight: 600; line-height: 1.5; white-space: nowrap; }
.warnings ul, .legend { list-style: none; margin: 1rem 0 0; padding: 0; }
.warnings li { display: grid; grid-template-columns: 6rem 1fr; align-items: baseline; padding: 0.375rem 0; font-size: 0.9375rem; }
.warnings .chip { justify-self: start; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.5rem; color: var(--soft); font-size: 0.8125rem; }
.legend li { display: flex; align-items: center; gap: 0.5rem; }
.key-sign { flex: none; overflow: visible; color: var(--open); }
.metric { padding-top: 1.75rem; margin-top: 1.75rem; border-top: 1px solid var(--faint); }
h2 + .metric { border-top: 0; margin-top: 0; padding-top: 1rem; }
.finding { font-size: 0.9375rem; max-width: 60rem; }
.scroll { overflow-x: auto; margin-top: 1rem; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); font-size: 0.8125rem; padding-bottom: 0.25rem; }
th { text-align: left; font-weight: 400; }
thead th { color: var(--soft); font-size: 0.8125rem; vertical-align: bottom; white-space: nowrap; }
.figures { width: 100%; overflow-wrap: normal; }
.figures th, .figures td { padding: 0.3125rem 0 0.3125rem 1.25rem; border-bottom: 1px solid var(--faint); white-space: nowrap; }
.figures th:first-child { padding-left: 0; }
.figures thead th { border-bottom-color: var(--soft); padding-bottom: 0.25rem; }
.figures thead th[colspan] { border-bottom-color: var(--faint); }
.figures thead .low:first-child { padding-left: 1.25rem; }
.num { text-align: right; }
.figures .wraps { white-space: normal; min-width: 5.5rem; }
.key { max-width: 15rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.checks th, .checks td { white-space: normal; vertical-align: baseline; }
.checks td:last-child { width: 50%; }
.forest { width: 100%; margin-top: 1rem; overflow-wrap: normal; }
.forest td, .forest th { padding: 0; }
.forest thead th { border-bottom: 1px solid var(--faint); }
.forest .key { padding-right: 1rem; }
.forest .draw { width: 100%; }
.forest .num { padding-left: 1.25rem; white-space: nowrap; }
.forest .says { padding-left: 1.25rem; }
.forest thead th:last-child { padding-left: 1.25rem; }
.forest .group th { padding: 0.75rem 0 0.25rem; font-weight: 600; overflow-wrap: anywhere; }
.forest .group a { color: inherit; }
.forest .group .note { margin-left: 0.5rem; }
.sign { color: var(--mark); font-weight: 650; }
.range { color: var(--soft); }
.why { display: block; max-width: 28rem; padding: 0.4rem 0; color: var(--soft); font-size: 0.8125rem; white-space: normal; }
.segments .draw { width: 100%; min-width: 11rem; }
.segments tbody th, .segments tbody td { padding-top: 0; padding-bottom: 0; border-bottom: 0; }
.segments tbody tr:first-child > * { border-top: 1px solid var(--faint); }
.segments th[rowspan], .segments td[rowspan] { vertical-align: top; padding-top: 0.25rem; }
.segments .key { max-width: 8rem; }
.segments .metric-name { max-width: 14.5rem; }
.segments .thick { stroke-width: 3; }
.segments .dot { stroke-width: 1; }
.segments .why { max-width: 34rem; margin-left: auto; padding: 0.25rem 0; }
svg { display: block; }
svg svg { display: inline; }
.plot, .axis, .chart { overflow: visible; }
.plot { min-width: 8rem; }
.good { --mark: var(--good); } .bad { --mark: var(--bad); } .same { --mark: var(--same); } .open { --mark: var(--open); } .warn { --mark: var(--warn); }
.grid { stroke: var(--tick); }
.zero { stroke: var(--soft); }
.worth { fill: var(--worth); }
.thick { stroke: var(--mark, var(--open)); stroke-width: 4; }
.thick-end, .dot { fill: var(--mark, var(--open)); }
.dot { stroke: var(--paper); stroke-width: 1.5; }
.thin { stroke: var(--soft); stroke-width: 1.25; }
.thin-end { fill: var(--soft); }
.bound { stroke: var(--ink); stroke-width: 1.25; }
.bound-end { fill: var(--ink); }
.margin { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 4 3; }
.bar { fill: var(--same); }
.bar.control { fill: var(--open); opacity: 0.6; }
.tick { fill: var(--soft); font-size: 11px; font-variant-numeric: tabular-nums; }
.charts { display: flex; flex-wrap: wrap; gap: 1.5rem 2rem; margin-top: 1.5rem; }
figure { margin: 0; flex: 1 1 17rem; max-width: 31rem; }
figcaption { font-size: 0.875rem; }
figcaption span { display: block; color: var(--soft); font-size: 0.8125rem; }
figure .note { margin: 0; padding-left: 17%; font-size: 0.75rem; }
.chart { margin-top: 0.5rem; --mark: var(--same); }
.band { fill: var(--same); fill-opacity: 0.18; stroke: var(--same); stroke-opacity: 0.35; }
.estimate { fill: none; stroke: var(--same); stroke-width: 2; stroke-linejoin: round; }
.funnel { margin-bottom: 2rem; }
section > .forest + h3, section > .sub + h3 { margin-top: 1.5rem; }
.reading { max-width: 52rem; margin: 0.75rem 0 0; padding-left: 1.125rem; font-size: 0.9375rem; }
.reading li { margin-top: 0.5rem; }
@media (max-width: 44rem) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.625rem; }
  .warnings li { grid-template-columns: 1fr; gap: 0.25rem; }
  .forest, .forest tbody, .forest thead { display: block; }
  .forest tr { display: grid; grid-template-columns: minmax(0, 1fr) auto auto; align-items: baseline; padding-bottom: 0.5rem; }
  .forest thead tr, .forest .group { padding-bottom: 0; }
  .forest thead th:not([aria-label]) { display: none; }
  .forest thead th[aria-label], .forest .draw, .forest .group th { grid-column: 1 / -1; }
  .forest .draw { order: 4; }
  .forest .key { max-width: none; }
  .forest .num { padding-left: 0.75rem; }
  .forest .lift { order: 3; grid-column: 1 / -1; padding: 0; text-align: left; }
  .forest .says { padding-left: 0.75rem; }
  .funnel tr { grid-template-columns: auto auto 1fr; column-gap: 0.75rem; }
  .funnel .key { grid-column: 1 / -1; }
  .funnel .num { padding: 0; text-align: left; font-size: 0.8125rem; order: 5; }
  .funnel .num::after { content: attr(data-name); color: var(--soft); }
  .key { max-width: 9rem; }
}
@media print {
  :root { color-scheme: light; }
  body { font-size: 11px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  .scroll { overflow: visible; }
  .figures th, .figures td { padding-left: 0.75rem; }
  table { font-size: 0.75rem; }
  .metric .scroll, .charts, figure, tr, .verdict { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
}
`

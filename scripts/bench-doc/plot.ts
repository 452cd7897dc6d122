/**
 * A latency distribution as SVG: percentiles to the right on a logarithmic axis (each step is a tenth of what is left), the
 * latency upwards, logarithmic too. Read from `.hgrm` files.
 */
export interface Curve {
  readonly name: string
  readonly points: readonly Point[]
}

export interface Point {
  /** 1 / (1 - percentile): 10 is p90, 100 is p99. */
  readonly oneIn: number
  readonly latencyUs: number
}

const WIDTH = 860
const HEIGHT = 420
const LEFT = 70
const RIGHT = 190
const TOP = 50
const BOTTOM = 60
const COLOURS = ['#6b7280', '#1d4ed8', '#b45309', '#047857', '#be185d', '#6d28d9']
const PERCENTILES: readonly (readonly [label: string, oneIn: number])[] = [
  ['0 %', 1],
  ['50 %', 2],
  ['90 %', 10],
  ['99 %', 100],
  ['99.9 %', 1_000],
  ['99.99 %', 10_000],
  ['99.999 %', 100_000],
]

/** The columns of an .hgrm file: value, percentile, count, 1/(1-percentile). The maximum, at infinity, is left out. */
export function readHgrm(text: string): Point[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter((cells) => cells.length >= 4 && cells.every(Number.isFinite))
    .map(([latencyUs = 0, , , oneIn = 1]) => ({ oneIn, latencyUs }))
}

export function plot(title: string, curves: readonly Curve[]): string {
  const points = curves.flatMap((curve) => curve.points)
  const decades = Math.min(5, Math.max(2, Math.ceil(Math.log10(Math.max(...points.map((point) => point.oneIn))))))
  const lowest = Math.max(0.1, Math.min(...points.map((point) => point.latencyUs)))
  const bottomUs = lowest / 1.3
  const topUs = Math.max(...points.map((point) => point.latencyUs)) * 1.3
  const x = (oneIn: number): number => LEFT + (Math.log10(oneIn) / decades) * (WIDTH - LEFT - RIGHT)
  const y = (us: number): number =>
    HEIGHT - BOTTOM - (Math.log(us / bottomUs) / Math.log(topUs / bottomUs)) * (HEIGHT - TOP - BOTTOM)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="${escapeXml(title)}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, 26, title, { size: 16, weight: 600 }),
    text(LEFT, 43, 'microseconds', { colour: '#6b7280' }),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, 'percentile', { anchor: 'middle', colour: '#6b7280' }),
    ...latencyTicks(bottomUs, topUs).flatMap((us) => [
      line(LEFT, y(us), WIDTH - RIGHT, y(us)),
      text(LEFT - 8, y(us) + 4, us.toLocaleString('en-US'), { anchor: 'end' }),
    ]),
    ...PERCENTILES.filter(([, oneIn]) => oneIn <= 10 ** decades).flatMap(([label, oneIn]) => [
      line(x(oneIn), TOP, x(oneIn), HEIGHT - BOTTOM),
      text(x(oneIn), HEIGHT - BOTTOM + 20, label, { anchor: 'middle' }),
    ]),
    ...curves.map((curve, i) => path(curve, COLOURS[i % COLOURS.length] ?? '#000000', x, y, decades)),
    ...legend(curves, x, y, decades),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

/** 1, 2 and 5 of each power of ten. */
function latencyTicks(fromUs: number, toUs: number): number[] {
  const ticks: number[] = []
  const steps = toUs / fromUs > 1000 ? [1] : [1, 2, 5]
  for (let power = Math.floor(Math.log10(fromUs)); 10 ** power <= toUs; power++) {
    for (const step of steps) {
      const us = Number((step * 10 ** power).toPrecision(1))
      if (us >= fromUs && us <= toUs) ticks.push(us)
    }
  }
  return ticks
}

function path(
  { points }: Curve,
  colour: string,
  x: (oneIn: number) => number,
  y: (us: number) => number,
  decades: number,
): string {
  const visible = points.filter(({ oneIn }) => oneIn <= 10 ** decades)
  const places = visible.map(
    ({ oneIn, latencyUs }) => `${x(oneIn).toFixed(1)},${y(Math.max(0.1, latencyUs)).toFixed(1)}`,
  )
  return `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${places.join(' ')}"/>`
}

/** Names stand at the ends of their curves, pushed apart where they would cover each other. */
function legend(
  curves: readonly Curve[],
  x: (oneIn: number) => number,
  y: (us: number) => number,
  decades: number,
): string[] {
  const ends = curves.map(({ name, points }, i) => {
    const last = points.filter(({ oneIn }) => oneIn <= 10 ** decades).at(-1)
    return { name, colour: COLOURS[i % COLOURS.length] ?? '#000000', at: y(last?.latencyUs ?? 1) + 4 }
  })
  ends.sort((a, b) => a.at - b.at)
  let above = Number.NEGATIVE_INFINITY
  return ends.map(({ name, colour, at }) => {
    above = Math.max(at, above + 17)
    return text(x(10 ** decades) + 10, above, name, { colour, weight: 600 })
  })
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map((value) => value.toFixed(1))
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" stroke="#e5e7eb"/>`
}

function text(
  x: number,
  y: number,
  content: string,
  style: { anchor?: string; colour?: string; size?: number; weight?: number } = {},
): string {
  const { anchor = 'start', colour = '#111827', size, weight } = style
  const more = `${size === undefined ? '' : ` font-size="${size}"`}${weight === undefined ? '' : ` font-weight="${weight}"`}`
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${colour}"${more}>${escapeXml(content)}</text>`
}

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

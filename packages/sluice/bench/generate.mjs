// Seeded data of our own: the same seed, the same bytes, on every machine.

import { once } from 'node:events'
import { createWriteStream } from 'node:fs'

/** A generator of numbers in [0, 1): mulberry32. */
export function random(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Twelve columns of mixed types: [name, Sluice's type, DuckDB's type]. */
export const mixedColumns = [
  ['id', 'bigint', 'BIGINT'],
  ['code', 'text', 'VARCHAR'],
  ['title', 'text', 'VARCHAR'],
  ['quantity', 'integer', 'INTEGER'],
  ['amount', 'decimal(12,2)', 'DECIMAL(12,2)'],
  ['ratio', 'float', 'DOUBLE'],
  ['ordered_on', 'date', 'DATE'],
  ['shipped_at', 'timestamp', 'TIMESTAMP'],
  ['active', 'boolean', 'BOOLEAN'],
  ['country', 'text', 'VARCHAR'],
  ['note', 'nullable', 'VARCHAR'],
  ['rating', 'smallint', 'SMALLINT'],
]

const countries = ['United Kingdom', 'France', 'Germany', 'Netherlands', 'Norway', 'EIRE', 'Spain', 'Portugal']
const two = (n) => String(n).padStart(2, '0')

function mixedRow(id, next, isBad) {
  const day = `20${two(10 + Math.floor(next() * 15))}-${two(1 + Math.floor(next() * 12))}-${two(1 + Math.floor(next() * 28))}`
  const fields = [
    String(id),
    `C${Math.floor(next() * 1e6).toString(36)}`,
    next() < 0.1 ? `"Lamp, ""No ${id % 97}"""` : `Item number ${Math.floor(next() * 5000)}`,
    String(1 + Math.floor(next() * 100)),
    (next() * 10_000).toFixed(2),
    String(next()),
    day,
    `${day} ${two(Math.floor(next() * 24))}:${two(Math.floor(next() * 60))}:${two(Math.floor(next() * 60))}`,
    next() < 0.5 ? 'true' : 'false',
    countries[Math.floor(next() * countries.length)],
    next() < 0.3 ? '' : `note ${Math.floor(next() * 1000)}`,
    String(Math.floor(next() * 6)),
  ]
  // A quarter each: no integer, no date, too many decimals, empty where a value is needed.
  if (isBad) {
    const kind = Math.floor(next() * 4)
    if (kind === 0) fields[3] = 'many'
    if (kind === 1) fields[6] = '2019-02-30'
    if (kind === 2) fields[4] = '1.005'
    if (kind === 3) fields[0] = ''
  }
  return fields.join(',')
}

/** Writes a CSV of `rows` rows, 1 % of them bad; gives the number of bad rows. */
export async function writeMixedCsv(path, rows, { seed = 1, badShare = 0.01 } = {}) {
  const next = random(seed)
  const out = createWriteStream(path)
  out.write(`${mixedColumns.map(([name]) => name).join(',')}\n`)
  let bad = 0
  for (let id = 1; id <= rows; ) {
    const lines = []
    for (let at = 0; at < 5000 && id <= rows; at++, id++) {
      const isBad = next() < badShare
      if (isBad) bad++
      lines.push(mixedRow(id, next, isBad))
    }
    if (!out.write(`${lines.join('\n')}\n`)) await once(out, 'drain')
  }
  out.end()
  await once(out, 'finish')
  return bad
}

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDrop, sourceOf } from '../../../test/sources/drop.ts'
import type { FilesSource } from '../../definition/types.ts'

/** Where files lie says nothing about what is in them: DuckDB alone would read folders as patterns and as columns. */
const source: FilesSource = { ...sourceOf({ region: 'text', a: 'integer' }), path: 'inbox/**/*' }
const csv = 'region,a\nus,1\n'
const large = `region,a\n${`us,${'0'.repeat(2000)}1\n`.repeat(600)}`

test.each([
  ['a small CSV', 'x.csv', csv, {}],
  ['a large CSV', 'x.csv', large, {}],
  ['a large CSV with keys', 'x.csv', large, { checks: [{ kind: 'unique', columns: ['a'], maxCount: 1e9 }] }],
  ['JSON Lines', 'x.jsonl', '{"region":"us","a":1}\n', { format: { kind: 'jsonl' } }],
] as const)(
  'IN-29 IN-03: a folder named like a column, or like a pattern, alters nothing: %s',
  async (_, name, content, more) => {
    await using drop = await openDrop()
    drop.deliver(`inbox/region=eu/_sluice_c0=eu/[a]*/${name}`, content)
    const { rows, refused, candidate } = await drop.take({ ...source, ...more } as FilesSource)
    expect(refused).toEqual([])
    expect(new Set(rows.map(({ region }) => region))).toEqual(new Set(rows.length === 0 ? [] : ['us']))
    const { read, accepted, quarantined } = candidate!.accounting
    expect(accepted).toBe(rows.length)
    expect(read).toBe(accepted + quarantined)
  },
)

test('IN-29 IN-03: a folder named like a column, or like a pattern, alters nothing: Parquet', async () => {
  await using drop = await openDrop()
  const folder = join(drop.root, 'inbox/region=eu/[a]*')
  mkdirSync(folder, { recursive: true })
  await drop.session.write("SELECT 'us' AS region, 1::INTEGER AS a UNION ALL SELECT NULL, 2", { folder })
  const taken = await drop.take({ ...source, format: { kind: 'parquet' } })
  expect(taken.refused).toEqual([])
  expect(taken.rows.map(({ region, a }) => [region, a])).toEqual([['us', '1']])
  expect(taken.quarantine.map(({ bytes }) => JSON.parse(bytes.toString()))).toEqual([{ region: null, a: 2 }])
})

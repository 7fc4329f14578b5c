/** A zero keeps its sign on its way from a source to a target; what compares values takes both zeros as one. */
import { rmSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Load } from '../../src/definition/types.ts'
import { command, makeProject, query } from '../acceptance/project.ts'
import { openDrop, sourceOf } from '../sources/drop.ts'
import { columns, inputOf, warehouses } from './warehouses.ts'

describe('negative zero from files', () => {
  const source = sourceOf({ id: 'integer', f: 'float', r: 'real', d: 'decimal(4,2)', n: 'integer' })
  const kept = [{ id: '1', f: '-0.0', r: '-0.0', d: '0.00', n: '0' }]

  test.each([
    ['csv', 'id,f,r,d,n\n1,-0,-0.0,-0.00,-0\n'],
    ['jsonl', '{"id":1,"f":-0,"r":-0.0,"d":-0.00,"n":-0}\n'],
  ] as const)('%s: a floating column keeps the sign; exact numbers have one zero', async (kind, text) => {
    await using drop = await openDrop()
    drop.deliver(`inbox/x.${kind}`, text)
    const taken = await drop.take({ ...source, format: { kind } })
    expect(taken.quarantine).toEqual([])
    expect(taken.rows).toMatchObject(kept)
  })

  test('parquet: a floating column keeps the sign', async () => {
    await using drop = await openDrop()
    drop.deliver('inbox/keep', '')
    const sql = "SELECT 1 AS id, '-0'::DOUBLE AS f, '-0'::FLOAT AS r, 0::DECIMAL(4,2) AS d, 0 AS n"
    await drop.session.run(`COPY (${sql}) TO '${drop.root}/inbox/x.parquet' (FORMAT parquet)`)
    const taken = await drop.take({ ...source, format: { kind: 'parquet' }, path: 'inbox/*.parquet' })
    expect(taken.rows).toMatchObject(kept)
  })

  test('checks and keys: both zeros are one', async () => {
    await using drop = await openDrop()
    drop.deliver('inbox/x.csv', 'id,f\n1,0\n2,-0\n3,1\n')
    const keyed = sourceOf({ id: 'integer', f: 'float' }, { checks: [{ kind: 'unique', columns: ['f'] }] })
    const taken = await drop.take(keyed)
    expect(taken.rows.map(({ id }) => id)).toEqual(['3'])
    const ranged = sourceOf({ id: 'integer', f: 'float' }, { checks: [{ kind: 'range', column: 'f', min: 0 }] })
    expect((await drop.take(ranged)).rows.map(({ f }) => f).sort()).toEqual(['-0.0', '0.0', '1.0'])
  })
})

test('a code model that returns a negative zero makes one, and output shows it', async () => {
  const root = makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.ts': "import { defineConfig } from 'sluice'\nexport default defineConfig({ name: 'zero' })\n",
    'inbox/a.csv': 'id\n1\n',
    'pipelines/zero/pipeline.ts': `import { files, model, pipeline } from 'sluice'
export default pipeline('zero', {
  layers: ['raw', 'stage'],
  sources: { a: files('inbox/a.csv', { columns: { id: 'integer' } }) },
  models: {
    'stage.zero': model({ inputs: ['raw.a'], columns: { v: 'float' }, make: () => [{ v: -0 }] }),
  },
})\n`,
  })
  try {
    const { stdout, stderr } = await command(root, ['run'])
    expect(await query(root, 'SELECT v::VARCHAR AS v FROM stage.zero'), stdout + stderr).toEqual([{ v: '-0.0' }])
    const shown = await command(root, ['query', 'SELECT v FROM stage.zero', '--format', 'csv'])
    expect(shown.stdout).toBe('v\n-0\n')
  } finally {
    rmSync(root, { recursive: true })
  }
})

describe.each(warehouses)('negative zero to $name', ({ make }) => {
  const shape = columns({ id: 'INTEGER!', f: 'DOUBLE', r: 'FLOAT' })
  const shown = "SELECT id, CAST(f AS VARCHAR) || '|' || CAST(r AS VARCHAR) AS v FROM target ORDER BY id"

  test.each<Load>([
    { mode: 'replace', from: 'a.t' },
    { mode: 'upsert', from: 'a.t', key: ['id'] },
    { mode: 'incremental', from: 'a.t', by: 'id' },
  ])('$mode keeps the sign; a change of the sign alone is no change', async (load) => {
    await using warehouse = await (await make()).open()
    await warehouse.load(inputOf(1, load, shape, [['1', '-0', '-0']]))
    const texts = async () => (await warehouse.query(shown)).map(({ v }) => String(v).replaceAll('.0', ''))
    expect(await texts()).toEqual(['-0|-0'])
    if (load.mode !== 'upsert') return
    expect(await warehouse.load(inputOf(2, load, shape, [['1', '0', '0']]))).toMatchObject({ updated: 0, total: 1 })
    expect(await texts()).toEqual(['-0|-0'])
  })
})

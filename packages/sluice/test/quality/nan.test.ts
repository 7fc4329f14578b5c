import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import type { Session } from '../../src/engines/engine.ts'
import type { Check } from '../../src/index.ts'
import { runTableChecks } from '../../src/quality/table-checks.ts'
import { openProject } from '../../src/run/project.ts'
import { makeProject } from '../acceptance/project.ts'

/** v = 1.0, NaN, 0.5, as pyarrow writes them: with the smallest and the largest value, which leave NaN out. */
const arrow = join(import.meta.dirname, 'nan-statistics.parquet')

/** A check of every kind over a floating column, and what it finds: NaN is within no bounds, in no list, and no date. */
const checks: { readonly [kind in Check['kind']]: readonly (readonly [Check, failing: number])[] } = {
  notNull: [[{ kind: 'notNull', column: 'v' }, 0]],
  unique: [[{ kind: 'unique', columns: ['v'] }, 0]],
  range: [
    [{ kind: 'range', column: 'v', max: 1 }, 1],
    [{ kind: 'range', column: 'v', min: 0 }, 1],
    [{ kind: 'range', column: 'v', min: 0.6 }, 2],
    [{ kind: 'range', column: 'v', min: '0', max: '1' }, 1],
  ],
  oneOf: [[{ kind: 'oneOf', column: 'v', values: [1, 0.5] }, 1]],
  row: [
    [{ kind: 'row', sql: 'v < 2' }, 1],
    [{ kind: 'row', sql: 'NOT v > 1' }, 1],
    [{ kind: 'row', sql: 'NOT isnan(v)' }, 1],
    [{ kind: 'row', sql: 'v BETWEEN 0 AND 1' }, 1],
    [{ kind: 'row', sql: 'v = v' }, 0],
  ],
  sum: [
    [{ kind: 'sum', column: 'v', max: 10 }, 1],
    [{ kind: 'sum', column: 'v', min: 0 }, 1],
  ],
  grain: [[{ kind: 'grain', columns: ['v'] }, 0]],
  rowCount: [[{ kind: 'rowCount', min: 3, max: 3 }, 0]],
  reference: [[{ kind: 'reference', columns: ['v'], to: 'x.same', toColumns: ['v'] }, 0]],
  reconcile: [
    [{ kind: 'reconcile', sql: 'sum(v)', with: 'x.same' }, 0],
    [{ kind: 'reconcile', sql: 'count(*) FILTER (WHERE v < 2)', with: 'x.same' }, 0],
  ],
  // Of texts and instants: no comparison of a number.
  length: [[{ kind: 'length', column: 'text', max: 3 }, 0]],
  pattern: [[{ kind: 'pattern', column: 'text', pattern: '[0-9.]+' }, 1]],
  format: [[{ kind: 'format', column: 'text', format: 'digits' }, 3]],
  freshness: [[{ kind: 'freshness', column: 'at', maxAgeHours: 1 }, 0]],
}

const folded: readonly (readonly [string, string])[] = [
  ['as the engine optimises', "SET disabled_optimizers = ''"],
  ['without folding', "SET disabled_optimizers = 'statistics_propagation,filter_pushdown'"],
]

describe.each(folded)('every kind of check sees NaN, %s', (_, setting) => {
  let session: Session
  beforeAll(async () => {
    session = await duckDbEngine({ memoryLimit: '256MB', threads: 1 }).open()
    await session.run(setting)
    const kept = `SELECT id, if(isnan(v), 'nan', v) AS v, v::VARCHAR AS text, TIMESTAMPTZ '2026-01-01' AS at FROM read_parquet('${arrow}')`
    // A table of the lake: written by the engine itself, which tells no bounds of a column with NaN.
    const folder = makeProject({})
    await session.write(kept, { folder })
    await session.run(`CREATE VIEW made AS SELECT * FROM read_parquet('${folder}/part-0.parquet')`)
  })
  afterAll(() => session.close())

  test.each(Object.values(checks).flat())('%o finds %i', async (check, failing) => {
    const now = new Date('2026-01-01T00:10:00Z')
    const [found] = await runTableChecks(session, {
      relation: 'made',
      checks: [check],
      related: { 'x.same': 'made' },
      now,
    })
    expect(found?.failing).toBe(failing)
  })
})

test.each([
  ["range('v', { max: 1 })", 'range:v'],
  ["range('v', { min: 0 })", 'range:v'],
  ["row('v < 2', { name: 'small' })", 'small'],
  ["oneOf('v', [1, 0.5])", 'oneOf:v'],
])('a delivered Parquet with bounds that leave NaN out: %s refuses it', async (check) => {
  const root = makeProject({
    'sluice.config.ts': `export default { name: 'x' }\n`,
    'pipelines/x/pipeline.ts': `import { files, oneOf, pipeline, range, row } from 'sluice'
export default pipeline('x', { layers: ['raw'], sources: { a: files('inbox/*.parquet', {
  columns: { id: 'integer', v: 'float' }, checks: [${check}], quarantine: { maxShare: 0.9 } }) } })
`,
  })
  mkdirSync(join(root, 'inbox'))
  cpSync(arrow, join(root, 'inbox/a.parquet'))
  await using project = await openProject(root)
  const { summary } = await project.run()
  expect(summary.rows).toMatchObject({ read: 3, accepted: 2, quarantined: 1 })
})

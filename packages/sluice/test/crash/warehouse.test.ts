/**
 * Fault WH-01 and WH-02: killed at the crash points of a load. The target is as before or as after, and the ledger agrees.
 *
 * The points are in code that all modes share: one mode is killed at each of them, the others where most could be lost, with all
 * written and nothing committed.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { Load, LoadMode } from '../../src/definition/types.ts'
import { openDuckDbWarehouse } from '../../src/warehouses/duckdb/warehouse.ts'
import { openPostgresWarehouse } from '../../src/warehouses/postgres/warehouse.ts'
import type { LoadInput, Warehouse } from '../../src/warehouses/warehouse.ts'
import { selectOf } from '../conformance/select-relation.ts'
import { columns, engine, freshSchema, inputOf, rowsOf } from '../conformance/warehouses.ts'
import { type Hit, labelsOf, listed, sampled } from './sweep.ts'

const child = join(import.meta.dirname, 'warehouse-child.ts')
const shape = columns({ k: 'INTEGER!', a: 'VARCHAR', day: 'DATE!' })
const from = 'analytics.t'

const loads: { readonly [M in LoadMode]: Load } = {
  replace: { mode: 'replace', from },
  incremental: { mode: 'incremental', from, by: 'day' },
  append: { mode: 'append', from },
  upsert: { mode: 'upsert', from, key: ['k'], deletes: 'absence' },
  scd2: {
    mode: 'scd2',
    from,
    key: ['k'],
    effective: 'day',
    columns: { effective: 'effective_date', expiry: 'expiry_date', current: 'is_current_record', surrogate: 'sk' },
  },
}

/** Two versions; the second changes a row, adds one and lacks one. */
function inputs(load: Load): readonly LoadInput[] {
  const [first, second] = [
    [
      [1, 'a', '2026-01-01'],
      [2, 'b', '2026-01-01'],
      [3, 'c', '2026-01-02'],
    ],
    [
      [1, 'z', '2026-01-03'],
      [2, 'b', '2026-01-01'],
      [4, 'd', '2026-01-04'],
    ],
  ]
  const added = (version: number, rows: typeof first) => [
    { version, relation: selectOf(rowsOf(shape, rows)), rows: rows.length },
  ]
  return [
    inputOf(1, load, shape, first, { added: added(1, first) }),
    inputOf(2, load, shape, second, { added: added(2, second) }),
  ]
}

/** Where a child loads to, and how the test looks there. */
interface Place {
  readonly argument: object
  open(): Promise<Warehouse>
}

const places: { readonly [warehouse: string]: () => Promise<Place> } = {
  duckdb: async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'sluice-crash-')), 'warehouse.duckdb')
    return { argument: { path }, open: () => openDuckDbWarehouse({ path, engine, clock: systemClock }) }
  },
  postgres: async () => {
    const argument = await freshSchema()
    const folder = tmpdir()
    return { argument, open: () => openPostgresWarehouse({ ...argument, engine, clock: systemClock, folder }) }
  },
}

function run({ argument }: Place, of: readonly LoadInput[], env: { readonly [name: string]: string }): string | null {
  const done = spawnSync(
    process.execPath,
    ['--import', 'jiti/register', child, JSON.stringify(argument), JSON.stringify(of)],
    {
      env: { ...process.env, ...env },
      encoding: 'utf8',
    },
  )
  if (done.signal === null && done.status !== 0) throw new TypeError(done.stderr)
  return done.signal
}

/** Every row of the target and the loads in the ledger. */
async function stateOf(place: Place): Promise<{ rows: string; loads: readonly string[] }> {
  await using warehouse = await place.open()
  const ledger = await warehouse.ledger({ target: 'target' })
  const rows = ledger.length === 0 ? [] : await warehouse.query('SELECT * FROM target ORDER BY 1, 2, 3')
  return { rows: JSON.stringify(rows), loads: ledger.map(({ loadId }) => loadId).sort() }
}

/** The points of both loads, as a run of them says. */
async function pointsOf(fresh: () => Promise<Place>): Promise<readonly Hit[]> {
  const hits = await listed(async (env) => run(await fresh(), inputs(loads.scd2), env))
  return hits.filter(({ label }) => label.startsWith('warehouse.'))
}

const cases = Object.entries(places).flatMap(([warehouse, fresh]) =>
  Object.entries(loads).map(([mode, load]) => ({ warehouse, fresh, mode, load })),
)

test.each(cases)(
  'WH-01, WH-02: $warehouse, $mode, killed at its points, twice',
  async ({ warehouse, fresh, mode, load }) => {
    const all = inputs(load)
    // What is right: as before, between and after them.
    const undisturbed = await fresh()
    const states = [await stateOf(undisturbed)]
    for (const input of all) {
      const opened = await undisturbed.open()
      await opened.load(input)
      await opened.close()
      states.push(await stateOf(undisturbed))
    }
    const last = 'warehouse.load.before_commit#2'
    let points = [last]
    if (mode === 'scd2') {
      const hits = await pointsOf(fresh)
      expect(hits).toHaveLength(8)
      expect(labelsOf(hits)).toEqual(
        ['after_begin', 'after_commit', 'before_commit', 'before_ledger'].map((moment) => `warehouse.load.${moment}`),
      )
      expect(hits.map(({ point }) => point)).toContain(last)
      points = sampled(hits, `killed in loads into ${warehouse}`).map(({ point }) => point)
    }

    for (const point of points) {
      const place = await fresh()
      expect(run(place, all, { SLUICE_CRASH: point })).toBe('SIGKILL')
      const after = await stateOf(place)
      expect(states, point).toContainEqual(after)
      // Killed again while it recovers, at the last moment that can still undo.
      if (after.loads.length < 2) {
        expect(run(place, all, { SLUICE_CRASH: 'warehouse.load.before_commit#1' })).toBe('SIGKILL')
        expect(states, `${point}, again`).toContainEqual(await stateOf(place))
      }
      expect(run(place, all, {})).toBeNull()
      expect(await stateOf(place), `${point}, recovered`).toEqual(states[2])
    }
  },
)

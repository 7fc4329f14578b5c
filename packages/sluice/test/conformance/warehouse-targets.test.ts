/** Every warehouse × targets that somebody else has changed: their rows, their columns, what stands in their place. */

import { describe, expect, test } from 'vitest'
import type { Load } from '../../src/definition/types.ts'
import type { Warehouse } from '../../src/warehouses/warehouse.ts'
import { selectOf } from './select-relation.ts'
import { columns, inputOf, rowsOf, warehouses } from './warehouses.ts'

const shape = columns({ id: 'INTEGER!', day: 'DATE!', note: 'VARCHAR' })
const from = 'analytics.t'
const rows = [
  [1, '2026-01-01', 'a'],
  [2, '2026-01-02', 'b'],
  [3, '2026-01-02', 'c'],
]
const loads: readonly Load[] = [
  { mode: 'replace', from },
  { mode: 'incremental', from, by: 'day' },
  { mode: 'append', from },
  { mode: 'append', from, batch: 'day' },
  { mode: 'upsert', from, key: ['id'] },
]

/** An input with all that a load of any mode is given: for appends each version's addition. */
function input(version: number, load: Load, all: typeof rows, rest = {}) {
  const before = version === 1 ? 0 : rows.length
  const added = [{ version, relation: selectOf(rowsOf(shape, all.slice(before))), rows: all.length - before }]
  return inputOf(version, load, shape, all, { ...(load.mode === 'append' ? { added } : {}), ...rest })
}

const idsIn = async (warehouse: Warehouse) =>
  (await warehouse.query('SELECT id, note FROM target ORDER BY id')).map(({ id, note }) => `${id}${note}`)

describe.each(warehouses)('$name', ({ name, make }) => {
  test.each(loads)(
    'rows changed by hand are found at the next load, and put right when asked for: %o',
    async (load) => {
      await using warehouse = await (await make()).open()
      await warehouse.load(input(1, load, rows))
      const target = { target: 'target', load }
      expect(await warehouse.examine([target], true)).toEqual([])

      // One removed and another put in its place: a count does not see that.
      await warehouse.query("UPDATE target SET note = 'by hand' WHERE id = 2")
      expect(await warehouse.examine([target], true)).toMatchObject([{ kind: 'rows' }])
      expect(await warehouse.load(input(1, load, rows))).toMatchObject({
        status: 'already-loaded',
        edits: { left: 3, found: 3 },
      })
      // It was reported, and is known.
      expect((await warehouse.load(input(1, load, rows))).edits).toBeUndefined()
      expect(await warehouse.examine([target], true)).toMatchObject([{ kind: 'known' }])

      await warehouse.query('DELETE FROM target WHERE id = 1')
      const more = [...rows, [4, '2026-01-03', 'd']]
      const second = await warehouse.load(input(2, load, more))
      expect(second).toMatchObject({ status: 'loaded', edits: { left: 3, found: 2 } })
      const now = await idsIn(warehouse)
      expect(second.total).toBe(now.length)

      const again = input(2, load, more, { rewrite: true, run: 'again', fencingToken: 2 })
      const added = load.mode === 'append' ? [1, 2].map((version) => input(version, load, more).added![0]!) : undefined
      if (added !== undefined) added[0] = input(1, load, rows).added![0]!
      const third = await warehouse.load({ ...again, ...(added === undefined ? {} : { added }) })
      expect(third).toMatchObject({ status: 'loaded', rewritten: true, total: 4 })
      expect(await idsIn(warehouse)).toEqual(['1a', '2b', '3c', '4d'])
      expect(await warehouse.examine([target], true)).toEqual([])
      expect((await warehouse.ledger({ target: 'target' })).map(({ loadId }) => loadId)).toEqual(['load 2', 'load 1'])
      // Asked again by the same run, it is done already.
      expect((await warehouse.load(again)).status).toBe('already-loaded')
    },
  )

  test('of a history, versions that were removed come back, and one that was changed is refused as another change', async () => {
    const names = { surrogate: 'sk', effective: 'since', expiry: 'until', current: 'is_current' }
    const load: Load = { ...{ mode: 'scd2', from, key: ['id'], effective: 'day', columns: names, late: 'history' } }
    await using warehouse = await (await make()).open()
    await warehouse.load(input(1, load, rows))
    await warehouse.query('DELETE FROM target WHERE id = 1')
    const again = { rewrite: true, run: 'again' }
    expect(await warehouse.load(input(1, load, rows, again))).toMatchObject({ edits: { left: 3, found: 2 }, total: 3 })
    expect(await idsIn(warehouse)).toEqual(['1a', '2b', '3c'])
    await warehouse.query("UPDATE target SET note = 'by hand' WHERE id = 2")
    const changed = warehouse.load(input(1, load, rows, { ...again, run: 'once more' }))
    await expect(changed).rejects.toMatchObject({ name: 'Warehouse.Scd2Conflict' })
  })

  test('an append is not written again from a table that lacks batches', async () => {
    const load: Load = { mode: 'append', from, batch: 'day' }
    await using warehouse = await (await make()).open()
    await warehouse.load(input(1, load, rows))
    const lacking = inputOf(2, load, shape, rows.slice(1), { rewrite: true })
    await expect(warehouse.load(lacking)).rejects.toMatchObject({ name: 'Warehouse.RewriteLoses' })
    expect(await idsIn(warehouse)).toEqual(['1a', '2b', '3c'])
  })

  test.each([
    ['gone', 'DROP TABLE target', 'Warehouse.TargetVanished'],
    ['columns', 'ALTER TABLE target RENAME COLUMN note TO remark', 'Warehouse.Drift'],
    [
      'replaced',
      'ALTER TABLE target RENAME TO other; CREATE VIEW target AS SELECT * FROM other',
      'Warehouse.NotATable',
    ],
  ])('a target that is %s is found without a new version, and refused by name', async (kind, statements, name) => {
    await using warehouse = await (await make()).open()
    const load: Load = { mode: 'incremental', from, by: 'day' }
    await warehouse.load(input(1, load, rows))
    for (const statement of statements.split('; ')) await warehouse.query(statement)
    expect(await warehouse.examine([{ target: 'target', load }], false)).toMatchObject([{ kind }])
    await expect(warehouse.load(input(1, load, rows))).rejects.toMatchObject({ name })
    await expect(warehouse.load(input(2, load, rows))).rejects.toMatchObject({ name })
  })

  test('a target that was emptied is found without reading it', async () => {
    await using warehouse = await (await make()).open()
    const load: Load = { mode: 'incremental', from, by: 'day' }
    await warehouse.load(input(1, load, rows))
    await warehouse.query('DELETE FROM target')
    expect(await warehouse.examine([{ target: 'target', load }], false)).toEqual([
      { target: 'target', kind: 'rows', detail: 'had 0 rows where its last load left 3: somebody else removed rows' },
    ])
  })

  test.each(loads)('a unique index that somebody made does not fail a load: %o', async (load) => {
    const database = await make()
    {
      await using warehouse = await database.open()
      await warehouse.load(input(1, load, rows))
      await warehouse.query('CREATE UNIQUE INDEX one_row ON target (id)')
    }
    // The index is opened with the file; all its keys go and come again.
    await using warehouse = await database.open()
    const more = [...rows.map(([id, day]) => [id!, day!, 'new']), [4, '2026-01-03', 'd']]
    const second = input(2, load, load.mode === 'append' ? [...rows, more[3]!] : more)
    expect((await warehouse.load(second)).total).toBe(4)
    // It is still there.
    await expect(warehouse.query("INSERT INTO target VALUES (4, '2026-01-03', 'd')")).rejects.toThrow()
    const twice = input(3, { mode: 'replace', from }, [rows[0]!, rows[0]!])
    await expect(warehouse.load(twice)).rejects.toMatchObject({ name: 'Warehouse.Refused' })
  })

  test('a column that is added under a primary key, and rows that go and come with it', async () => {
    const database = await make()
    const load: Load = { mode: 'replace', from }
    {
      await using warehouse = await database.open()
      await warehouse.query('CREATE TABLE target (id INTEGER PRIMARY KEY, day DATE, note VARCHAR)')
      await warehouse.load(input(1, load, rows))
    }
    await using warehouse = await database.open()
    const wider = columns({ id: 'INTEGER!', day: 'DATE!', note: 'VARCHAR', more: 'VARCHAR' })
    const all = rows.map((row) => [...row, 'm'])
    expect((await warehouse.load(inputOf(2, load, wider, all))).total).toBe(3)
  })

  test('what forbids that a type widens is named, and foreseen', async () => {
    await using warehouse = await (await make()).open()
    const load: Load = { mode: 'replace', from }
    await warehouse.load(input(1, load, rows))
    await warehouse.query('CREATE INDEX fast ON target (note)')
    await warehouse.query('CREATE VIEW seen AS SELECT id FROM target')
    const wider = columns({ id: 'BIGINT!', day: 'DATE!', note: 'VARCHAR' })
    const blocked = name === 'duckdb' ? 'the index fast' : 'the view seen'
    expect(await warehouse.drift({ target: 'target', load, columns: wider })).toMatchObject([{ blockers: [blocked] }])
    await expect(warehouse.load(inputOf(2, load, wider, rows))).rejects.toMatchObject({
      name: 'Warehouse.TypeNeeded',
      message: `The load has to change the type of "id" in "target", which ${blocked} forbids.`,
    })
    await warehouse.query(name === 'duckdb' ? 'DROP INDEX fast' : 'DROP VIEW seen')
    expect((await warehouse.load(inputOf(2, load, wider, rows))).total).toBe(3)
  })

  test('foreign keys between targets say which is loaded first, and what breaks one is named', async () => {
    await using warehouse = await (await make()).open()
    await warehouse.query('CREATE TABLE customers (id INTEGER PRIMARY KEY, day DATE, note VARCHAR)')
    await warehouse.query('CREATE TABLE target (id INTEGER REFERENCES customers (id), day DATE, note VARCHAR)')
    expect(await warehouse.references(['target', 'customers'])).toEqual({ target: ['customers'] })
    const load: Load = { mode: 'upsert', from, key: ['id'] }
    await expect(warehouse.load(input(1, load, rows))).rejects.toMatchObject({ name: 'Warehouse.ForeignKey' })
    await warehouse.load({ ...input(1, load, rows), loadId: 'customers 1', target: 'customers' })
    expect((await warehouse.load(input(1, load, rows))).total).toBe(3)
    const less = input(2, { ...load, deletes: 'absence' }, rows.slice(1))
    const first = { ...less, loadId: 'customers 2', target: 'customers' }
    await expect(warehouse.load(first)).rejects.toMatchObject({ name: 'Warehouse.ForeignKey' })
  })

  test('other order of columns, NOT NULL and CHECK by hand: taken, or refused by name', async () => {
    await using warehouse = await (await make()).open()
    await warehouse.query("CREATE TABLE target (note VARCHAR NOT NULL CHECK (note <> 'c'), day DATE, id INTEGER)")
    const load: Load = { mode: 'incremental', from, by: 'day' }
    await expect(warehouse.load(input(1, load, rows))).rejects.toMatchObject({ name: 'Warehouse.Refused' })
    const missing = [[1, '2026-01-01', null as unknown as string]]
    await expect(warehouse.load(input(1, load, missing))).rejects.toMatchObject({ name: 'Warehouse.Refused' })
    expect((await warehouse.load(input(1, load, rows.slice(0, 2)))).total).toBe(2)
    expect(await idsIn(warehouse)).toEqual(['1a', '2b'])
  })

  test.each([
    ['a generated column that the load has not', 'more INTEGER GENERATED ALWAYS AS (id + 1)'],
    ['a column with a default that the load has not', 'more INTEGER DEFAULT 7'],
  ])('%s is refused as drift', async (_, column) => {
    await using warehouse = await (await make()).open()
    const stored = name === 'postgres' && column.includes('GENERATED') ? `${column} STORED` : column
    await warehouse.query(`CREATE TABLE target (id INTEGER, day DATE, note VARCHAR, ${stored})`)
    const load: Load = { mode: 'replace', from }
    await expect(warehouse.load(input(1, load, rows))).rejects.toMatchObject({ name: 'Warehouse.Drift' })
  })

  test('a collation that takes different keys for one is refused as drift', async () => {
    await using warehouse = await (await make()).open()
    if (name === 'postgres')
      await warehouse.query(
        "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
      )
    const collation = name === 'postgres' ? 'folding' : 'NOCASE'
    await warehouse.query(`CREATE TABLE target (id VARCHAR COLLATE ${collation}, day DATE)`)
    const texts = columns({ id: 'VARCHAR!', day: 'DATE!' })
    const load: Load = { mode: 'upsert', from, key: ['id'] }
    const both = inputOf(1, load, texts, [
      ['a', '2026-01-01'],
      ['A', '2026-01-02'],
    ])
    await expect(warehouse.load(both)).rejects.toMatchObject({ name: 'Warehouse.Drift' })
    await warehouse.query(
      name === 'postgres'
        ? 'ALTER TABLE target ALTER COLUMN id TYPE text'
        : 'ALTER TABLE target ALTER COLUMN id TYPE VARCHAR',
    )
    expect((await warehouse.load(both)).total).toBe(2)
  })
})

/** Every warehouse × the surrogate keys that facts look up, in every mode; and generated histories against brute force. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Load, Lookup } from '../../src/definition/types.ts'
import type { LoadInput, Warehouse } from '../../src/warehouses/warehouse.ts'
import { columns, inputOf, warehouses } from './warehouses.ts'

type Rows = readonly (readonly (string | number | null)[])[]
type Scd2 = Extract<Load, { mode: 'scd2' }>

const dimension: Scd2 = {
  mode: 'scd2',
  from: 'analytics.d',
  key: ['id'],
  effective: 'day',
  deletes: { column: 'op', value: 'D' },
  columns: { effective: 'effective_date', expiry: 'expiry_date', current: 'is_current_record', surrogate: 'sk' },
}
const dimensionShape = columns({ id: 'BIGINT!', a: 'VARCHAR', day: 'DATE!', op: 'VARCHAR' })
const factShape = columns({ n: 'INTEGER!', customer: 'INTEGER', at: 'TIMESTAMP' })
const lookup: Lookup = { dimension: 'dim', key: { customer: 'id' }, at: 'at', missing: 'infer' }
const modes: { readonly [mode: string]: Load } = {
  replace: { mode: 'replace', from: 'analytics.f', lookups: { sk: lookup } },
  incremental: { mode: 'incremental', from: 'analytics.f', by: 'n', lookups: { sk: lookup } },
  append: { mode: 'append', from: 'analytics.f', batch: 'n', lookups: { sk: lookup } },
  upsert: { mode: 'upsert', from: 'analytics.f', key: ['n'], lookups: { sk: lookup } },
}

const loadDimension = (warehouse: Warehouse, version: number, rows: Rows, more: Partial<LoadInput> = {}) =>
  warehouse.load(
    inputOf(version, dimension, dimensionShape, rows, { target: 'dim', loadId: `dim ${version}`, ...more }),
  )
const loadFacts = (warehouse: Warehouse, version: number, load: Load, rows: Rows, more: Partial<LoadInput> = {}) =>
  warehouse.load(
    inputOf(version, load, factShape, rows, {
      target: 'fact',
      loadId: `fact ${version}`,
      dimensions: { dim: dimension },
      ...more,
    }),
  )

const beginning = '0001-01-01'
const members = (warehouse: Warehouse) =>
  warehouse.query(
    `SELECT CAST(id AS INTEGER) AS id, a, effective_date, expiry_date, is_current_record FROM dim WHERE effective_date = '${beginning}' ORDER BY id`,
  )
/** What each fact found: the beginning of its version, or that its surrogate is nowhere. */
const found = async (warehouse: Warehouse) =>
  (
    await warehouse.query(
      `SELECT f.n, CASE WHEN f.sk IS NULL THEN 'none' ELSE coalesce(CAST(d.effective_date AS VARCHAR), 'orphan') END AS since
       FROM fact AS f LEFT JOIN dim AS d ON d.sk = f.sk AND d.id = f.customer ORDER BY f.n`,
    )
  ).map(Object.values)

const history: Rows = [
  [1, 'A', '2026-01-02', 'I'],
  [1, 'B', '2026-01-05', 'U'],
  [2, 'A', '2026-01-02', 'I'],
  [2, null, '2026-01-04', 'D'],
  [2, 'C', '2026-01-06', 'I'],
]
const facts: Rows = [
  [1, 1, '2026-01-02 00:00:00'],
  [2, 1, '2026-01-04 23:59:59.999999'],
  [3, 1, '2026-01-05 00:00:00'],
  [4, 2, '2026-01-03 12:00:00'],
  [5, null, '2026-01-03 12:00:00'],
]
const missing: Rows = [
  [6, 1, '2026-01-01 23:59:59'],
  [7, 2, '2026-01-04 00:00:00'],
  [8, 3, '2026-01-09 00:00:00'],
  [9, 2, null],
]

describe.each(warehouses)('$name', ({ rounds, make }) => {
  describe.each(Object.entries(modes))('%s', (mode, load) => {
    test('WH-10: each fact finds the version of its time; else the inferred member of its key, which history does not touch', async () => {
      await using warehouse = await (await make()).open()
      await loadDimension(warehouse, 1, history)
      expect(await loadFacts(warehouse, 1, load, [...facts, ...missing])).toMatchObject({
        inserted: 9,
        inferred: 3,
        total: 9,
      })
      expect(await found(warehouse)).toEqual([
        [1, '2026-01-02'],
        [2, '2026-01-02'],
        [3, '2026-01-05'],
        [4, '2026-01-02'],
        [5, 'none'],
        [6, beginning],
        [7, beginning],
        [8, beginning],
        [9, beginning],
      ])
      const first = { a: null, effective_date: beginning, expiry_date: '2026-01-02', is_current_record: false }
      expect(await members(warehouse)).toEqual([
        { id: 1, ...first },
        { id: 2, ...first },
        { id: 3, ...first, expiry_date: '9999-12-31', is_current_record: true },
      ])
      // The dimension learns of key 3, before and after the fact's time, and more of key 1's past.
      const later = [
        [3, 'A', '2026-01-11', 'I'],
        [3, 'Z', '2026-01-08', 'I'],
        [1, 'O', '2026-01-01', 'I'],
      ]
      expect(await loadDimension(warehouse, 2, later)).toMatchObject({ inserted: 3 })
      expect(
        (await members(warehouse)).map(({ id, expiry_date, is_current_record }) => [
          id,
          expiry_date,
          is_current_record,
        ]),
      ).toEqual([
        [1, '2026-01-01', false],
        [2, '2026-01-02', false],
        [3, '2026-01-08', false],
      ])
      expect((await found(warehouse)).slice(5)).toEqual([6, 7, 8, 9].map((n) => [n, beginning]))
      // What is restated finds what is known now.
      const again = [...facts, ...missing].map(([n, ...rest]) => [(n! as number) + 10, ...rest])
      expect(await loadFacts(warehouse, 2, load, again)).toMatchObject({ inserted: 9, inferred: 0 })
      expect((await found(warehouse)).slice(-4)).toEqual([
        [16, '2026-01-01'],
        [17, beginning],
        [18, '2026-01-08'],
        [19, beginning],
      ])
      // The same load of the same rows changes nothing.
      if (mode !== 'replace') {
        const same = mode === 'append' ? [...facts, ...missing, ...again] : again
        expect(await loadFacts(warehouse, 3, load, same)).toMatchObject({ inserted: 0, updated: 0, inferred: 0 })
      }
    })

    test('WH-10: a key that must be there is named where it is not, and nothing is loaded', async () => {
      await using warehouse = await (await make()).open()
      await loadDimension(warehouse, 1, history)
      const strict = { ...load, lookups: { sk: { ...lookup, missing: 'fail' as const } } } as Load
      await expect(loadFacts(warehouse, 1, strict, [...facts, ...missing])).rejects.toMatchObject({
        name: 'Warehouse.LookupMissing',
        params: { count: 3, dimension: 'dim', samples: expect.stringContaining('2026-01-01') },
      })
      expect(await warehouse.ledger({ target: 'fact' })).toEqual([])
      expect(await members(warehouse)).toEqual([])
      expect(await loadFacts(warehouse, 1, strict, facts)).toMatchObject({ inserted: 5, inferred: 0 })
      expect((await found(warehouse)).map(([, since]) => since)).toEqual([
        '2026-01-02',
        '2026-01-02',
        '2026-01-05',
        '2026-01-02',
        'none',
      ])
    })

    test('WH-17: a dimension that was edited so that versions overlap multiplies no rows', async () => {
      await using warehouse = await (await make()).open()
      await loadDimension(warehouse, 1, history)
      await warehouse.query("UPDATE dim SET expiry_date = '2026-01-07' WHERE id = 1 AND a = 'A'")
      await expect(loadFacts(warehouse, 1, load, facts)).rejects.toMatchObject({
        name: 'Warehouse.GrainBroken',
        params: { rows: 5, found: 6 },
      })
      expect(await warehouse.ledger({ target: 'fact' })).toEqual([])
    })
  })

  test('WH-10: where versions vanish, the dimension is made anew, or the lookup changes, facts of before look up again', async () => {
    const { dialect, open } = await make()
    await using warehouse = await open()
    const append = modes['append']!
    await loadDimension(warehouse, 1, history)
    await loadFacts(warehouse, 1, append, [...facts, ...missing])
    // The late change makes the version of the 5th needless.
    expect(await loadDimension(warehouse, 2, [[1, 'B', '2026-01-04', 'U']])).toMatchObject({ vanished: 1 })
    expect((await found(warehouse))[2]).toEqual([3, 'orphan'])
    expect(await loadFacts(warehouse, 2, append, [[20, 1, '2026-01-05 00:00:00']])).toMatchObject({ inserted: 1 })
    expect((await found(warehouse)).filter(([n]) => [2, 3, 20].includes(n as number))).toEqual([
      [2, '2026-01-04'],
      [3, '2026-01-04'],
      [20, '2026-01-04'],
    ])
    // Made anew from another log; its inferred members are there again.
    await warehouse.query('DROP TABLE dim')
    await warehouse.query(`DELETE FROM ${dialect.ownSchema}.load_ledger WHERE target = 'dim'`)
    await warehouse.query(`DELETE FROM ${dialect.ownSchema}.scd2_observations_dim`)
    await loadDimension(warehouse, 3, [[1, 'N', '2026-01-03', 'I']])
    expect((await members(warehouse)).map(({ id }) => id)).toEqual([1, 2, 3])
    await loadFacts(warehouse, 3, append, [[21, 1, '2026-01-05 00:00:00']])
    expect(await found(warehouse)).toEqual([
      [1, beginning],
      [2, '2026-01-03'],
      [3, '2026-01-03'],
      [4, beginning],
      [5, 'none'],
      ...[6, 7, 8, 9].map((n) => [n, beginning]),
      [20, '2026-01-03'],
      [21, '2026-01-03'],
    ])
    const two = { ...append, lookups: { sk: lookup, also: lookup } } as Load
    await loadFacts(warehouse, 4, two, [[22, 1, '2026-01-05 00:00:00']])
    expect(await warehouse.query('SELECT n FROM fact WHERE sk <> also OR (sk IS NULL) <> (also IS NULL)')).toEqual([])
  })

  test('a real change at the beginning of time takes the place of the inferred member', async () => {
    await using warehouse = await (await make()).open()
    await loadDimension(warehouse, 1, history)
    await loadFacts(warehouse, 1, modes['append']!, missing)
    await loadDimension(warehouse, 2, [[3, 'real', beginning, 'I']])
    await loadDimension(warehouse, 3, [[3, null, '2026-02-01', 'D']])
    expect((await members(warehouse)).at(-1)).toEqual({
      id: 3,
      a: 'real',
      effective_date: beginning,
      expiry_date: '2026-02-01',
      is_current_record: false,
    })
    expect((await found(warehouse))[2]).toEqual([8, beginning])
  })

  test('WH-10: deletes by absence say nothing of inferred members', async () => {
    await using warehouse = await (await make()).open()
    const { deletes: _deletes, effective: _effective, ...rest } = dimension
    const load: Scd2 = { ...rest, deletes: 'absence' }
    const shape = columns({ id: 'BIGINT!', a: 'VARCHAR' })
    const snapshot = (version: number, rows: Rows) =>
      warehouse.load(inputOf(version, load, shape, rows, { target: 'dim', loadId: `dim ${version}` }))
    await snapshot(1, [[1, 'A']])
    const at = '2026-01-09 00:00:00'
    await loadFacts(
      warehouse,
      1,
      modes['append']!,
      [
        [1, 1, at],
        [2, 2, at],
      ],
      { dimensions: { dim: load } },
    )
    expect(await snapshot(2, [[1, 'A']])).toMatchObject({ deleted: 0, unchanged: 1, total: 1 })
    expect(await snapshot(3, [[2, 'B']])).toMatchObject({ deleted: 1, inserted: 1, total: 2 })
    expect((await found(warehouse)).map(([, since]) => since)).toEqual(['2026-01-02 00:00:00', `${beginning} 00:00:00`])
  })

  test('a lookup that is added to an upsert with a delete flag fills the rows of before', async () => {
    await using warehouse = await (await make()).open()
    await loadDimension(warehouse, 1, history)
    const load: Load = { mode: 'upsert', from: 'analytics.f', key: ['n'], deletes: { column: 'op', value: 'D' } }
    const shape = columns({ n: 'INTEGER!', customer: 'INTEGER', at: 'TIMESTAMP', op: 'VARCHAR' })
    const upsert = (version: number, more: Partial<Load>, rows: Rows) =>
      warehouse.load(
        inputOf(version, { ...load, ...more } as Load, shape, rows, { target: 'fact', dimensions: { dim: dimension } }),
      )
    await upsert(1, {}, [
      [1, 1, '2026-01-05 00:00:00', 'I'],
      [2, 2, '2026-01-03 00:00:00', 'I'],
    ])
    await upsert(2, { lookups: { sk: lookup } }, [[2, null, null, 'D']])
    expect(await found(warehouse)).toEqual([[1, '2026-01-05']])
  })

  test('what cannot be looked up is refused by name', async () => {
    await using warehouse = await (await make()).open()
    const append = modes['append']!
    await expect(loadFacts(warehouse, 1, append, facts)).rejects.toMatchObject({ name: 'Warehouse.DimensionMissing' })
    await loadDimension(warehouse, 1, history)
    const as = (of: { readonly [name: string]: string }) =>
      warehouse.load(inputOf(1, append, columns(of), [], { target: 'fact', dimensions: { dim: dimension } }))
    const refused = { name: 'Warehouse.Column' }
    await expect(as({ n: 'INTEGER', customer: 'VARCHAR', at: 'DATE' })).rejects.toMatchObject(refused)
    await expect(as({ n: 'INTEGER', customer: 'DECIMAL(9,2)', at: 'DATE' })).rejects.toMatchObject(refused)
    await expect(as({ n: 'INTEGER', customer: 'BIGINT', at: 'TIME' })).rejects.toMatchObject(refused)
    await expect(as({ n: 'INTEGER', customer: 'BIGINT', at: 'DATE', sk: 'VARCHAR' })).rejects.toMatchObject(refused)
  })

  test('WH-10, WH-17: generated histories and facts, in any batches: every surrogate is that of brute force, and history is as without facts', async () => {
    const day = (at: number): string => new Date(Date.UTC(2026, 0, 1 + at)).toISOString().slice(0, 10)
    const key = fc.integer({ min: 0, max: 30 })
    const changes = fc.uniqueArray(
      fc.record({
        key,
        at: fc.integer({ min: 0, max: 12 }),
        a: fc.constantFrom('A', 'B', null),
        deleted: fc.boolean(),
        batch: fc.integer({ min: 0, max: 3 }),
      }),
      { minLength: 40, maxLength: 120, selector: (one) => `${one.key}/${one.at}` },
    )
    const rows = fc.array(
      fc.record({
        key: fc.option(key, { freq: 20 }),
        at: fc.integer({ min: -2, max: 14 }),
        batch: fc.integer({ min: 0, max: 3 }),
      }),
      { minLength: 40, maxLength: 150 },
    )
    const mode = fc.constantFrom(...Object.keys(modes))
    await fc.assert(
      fc.asyncProperty(changes, rows, mode, async (log, all, name) => {
        await using warehouse = await (await make()).open()
        for (let batch = 0; batch < 4; batch++) {
          const news = log
            .filter((one) => one.batch === batch)
            .map((one) => [one.key, one.deleted ? null : one.a, day(one.at), one.deleted ? 'D' : 'U'])
          await loadDimension(warehouse, batch, news)
          await loadDimension(warehouse, batch, news, { target: 'plain', loadId: `plain ${batch}` })
          const whole = name === 'replace' || name === 'incremental'
          const given = all.flatMap((one, n) =>
            one.batch === batch || (whole && one.batch < batch)
              ? [{ ...one, row: [n, one.key, `${day(one.at)} 00:00:00`] as const }]
              : [],
          )
          await loadFacts(
            warehouse,
            batch,
            modes[name]!,
            given.map(({ row }) => row),
          )
          const taken = given.filter((one) => one.batch === batch || name === 'replace').map(({ row }) => row)
          const versions = await warehouse.query(
            'SELECT CAST(id AS INTEGER) AS id, sk, effective_date, expiry_date FROM dim',
          )
          const loaded = new Map((await warehouse.query('SELECT n, sk FROM fact')).map(({ n, sk }) => [n, sk]))
          for (const [n, id, at] of taken) {
            const mine = versions.filter((one) => one['id'] === id)
            const valid = mine.filter(
              (one) => `${one['effective_date']}` <= at.slice(0, 10) && at.slice(0, 10) < `${one['expiry_date']}`,
            )
            expect(valid.length).toBeLessThanOrEqual(1)
            const truth = valid[0] ?? mine.find((one) => one['effective_date'] === beginning)
            expect(loaded.get(n)).toBe(id === null ? null : truth?.['sk'])
          }
          expect(
            await warehouse.query(
              'SELECT f.n FROM fact AS f LEFT JOIN dim AS d ON d.sk = f.sk AND d.id = f.customer WHERE f.sk IS NOT NULL AND d.sk IS NULL',
            ),
            'no fact has lost its version',
          ).toEqual([])
          const real =
            "SELECT * FROM (SELECT sk, id, a, effective_date, expiry_date, is_current_record FROM %) AS d WHERE effective_date <> '0001-01-01' ORDER BY id, effective_date"
          expect(await warehouse.query(real.replace('%', 'dim'))).toEqual(
            await warehouse.query(real.replace('%', 'plain')),
          )
        }
      }),
      { numRuns: rounds, endOnFailure: true },
    )
  })
})

/** Targets of PostgreSQL that somebody made or changed: partitioned, with triggers, rules, foreign keys, policies and collations of their own. */

import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import type { Load } from '../../src/definition/types.ts'
import { openPostgresWarehouse } from '../../src/warehouses/postgres/warehouse.ts'
import type { Warehouse } from '../../src/warehouses/warehouse.ts'
import { selectOf } from './select-relation.ts'
import {
  columns,
  engine,
  freshSchema,
  inputOf,
  postgresServer,
  rowsOf,
  tickingClock,
  warehouses,
} from './warehouses.ts'

const shape = columns({ id: 'INTEGER!', day: 'DATE!', note: 'VARCHAR' })
const from = 'analytics.t'
const names = { surrogate: 'sk', effective: 'since', expiry: 'until', current: 'is_current' }
const rows = Array.from({ length: 8 }, (_, at) => [at + 1, `2026-01-0${(at % 4) + 1}`, 'a'])
const replace: Load = { mode: 'replace', from }
const incremental: Load = { mode: 'incremental', from, by: 'day' }
const append: Load = { mode: 'append', from }
const upsert: Load = { mode: 'upsert', from, key: ['id'], deletes: 'absence' }
const history: Load = { mode: 'scd2', from, key: ['id'], effective: 'day', columns: names, late: 'history' }
const modes = [replace, incremental, append, upsert, history]

const open = (): Promise<Warehouse> =>
  warehouses
    .find(({ name }) => name === 'postgres')!
    .make()
    .then((database) => database.open())

/** All rows, and for appends only those that came with this version. */
function input(version: number, load: Load, all: typeof rows, rest = {}) {
  const fresh = version === 1 ? all : all.slice(rows.length)
  const added = [{ version, relation: selectOf(rowsOf(shape, fresh)), rows: fresh.length }]
  return inputOf(version, load, shape, all, { ...(load.mode === 'append' ? { added } : {}), ...rest })
}

/** The second version: every row is another in it, and one is new. */
const changed = [...rows.map(([id, day]) => [id!, day!, 'b']), [9, '2026-01-05', 'b']]
const later = [...rows, ...rows.map(([id]) => [id!, '2026-02-01', 'b']), [9, '2026-02-01', 'b']]
const secondOf = (load: Load) =>
  load.mode === 'scd2' ? later : load.mode === 'append' ? [...rows, changed[8]!] : changed
const plain = 'id integer, day date, note text'

describe('partitioned', () => {
  test.each(modes)('%o', async (load) => {
    await using warehouse = await open()
    await warehouse.query(
      load.mode === 'scd2'
        ? `CREATE TABLE target (sk text, id integer, note text, since date, until date, is_current boolean) PARTITION BY HASH (id)`
        : `CREATE TABLE target (${plain}) PARTITION BY HASH (id)`,
    )
    for (const at of [0, 1])
      await warehouse.query(`CREATE TABLE part${at} PARTITION OF target FOR VALUES WITH (MODULUS 2, REMAINDER ${at})`)
    await warehouse.load(input(1, load, rows))
    const second = await warehouse.load(input(2, load, secondOf(load)))
    const count = Number((await warehouse.query('SELECT count(*) AS n FROM target'))[0]!['n'])
    expect([second.total, count]).toEqual(load.mode === 'scd2' ? [17, 17] : [9, 9])
    if (load.mode === 'scd2')
      expect(await warehouse.query('SELECT count(*) AS n FROM target WHERE is_current AND note = $1', ['b'])).toEqual([
        { n: '9' },
      ])
  })

  test('rows that move between partitions when a version ends', async () => {
    await using warehouse = await open()
    await warehouse.query(
      'CREATE TABLE target (sk text, id integer, note text, since date, until date, is_current boolean) PARTITION BY LIST (is_current)',
    )
    for (const value of [true, false])
      await warehouse.query(`CREATE TABLE now_${value} PARTITION OF target FOR VALUES IN (${value})`)
    await warehouse.load(input(1, history, rows))
    expect((await warehouse.load(input(2, history, later))).total).toBe(17)
    expect(await warehouse.query('SELECT count(*) AS n FROM now_true')).toEqual([{ n: '9' }])
  })
})

describe('triggers and rules', () => {
  const skip = (when: string, condition: string): readonly string[] => [
    `CREATE FUNCTION skip_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF ${condition} THEN RETURN NULL; END IF; IF TG_OP = ''DELETE'' THEN RETURN OLD; END IF; RETURN NEW; END'`,
    `CREATE TRIGGER skipping BEFORE ${when} ON target FOR EACH ROW EXECUTE FUNCTION skip_row()`,
  ]
  const cases: readonly (readonly [string, readonly Load[], readonly string[]])[] = [
    ['skips rows that come', [replace, upsert, history], skip('INSERT', 'NEW.id = 9')],
    ['keeps rows that go', [replace, incremental, upsert], skip('DELETE', 'OLD.id = 1')],
    ['keeps rows as they are', [upsert, history], skip('UPDATE', 'OLD.id = 2')],
    [
      'adds rows',
      [replace],
      [
        `CREATE FUNCTION add_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO target SELECT NEW.*; RETURN NULL; END'`,
        'CREATE TRIGGER adding AFTER INSERT ON target FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION add_row()',
      ],
    ],
    [
      'adds rows at the commit',
      [incremental],
      [
        `CREATE FUNCTION add_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF pg_trigger_depth() = 1 THEN INSERT INTO target SELECT NEW.*; END IF; RETURN NULL; END'`,
        'CREATE CONSTRAINT TRIGGER adding AFTER INSERT ON target INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION add_row()',
      ],
    ],
    [
      'is a rule that does nothing instead of a DELETE',
      [replace, incremental],
      ['CREATE RULE keeping AS ON DELETE TO target DO INSTEAD NOTHING'],
    ],
    [
      'is a rule that does nothing instead of an INSERT',
      [upsert, history],
      ['CREATE RULE keeping AS ON INSERT TO target DO INSTEAD NOTHING'],
    ],
    [
      'is a rule that does nothing instead of an UPDATE',
      [upsert, history],
      ['CREATE RULE keeping AS ON UPDATE TO target DO INSTEAD NOTHING'],
    ],
  ]
  for (const [what, of, statements] of cases)
    test.each(of.map((load) => [load.mode, load] as const))(
      `one that ${what} is named, and the load rolled back: %s`,
      async (_, load) => {
        await using warehouse = await open()
        await warehouse.load(input(1, load, rows))
        for (const statement of statements) await warehouse.query(statement)
        const second = load.mode === 'upsert' ? changed.slice(1) : secondOf(load)
        const which = /keeping|skipping|adding/.exec(statements.join())![0]
        await expect(warehouse.load(input(2, load, second))).rejects.toMatchObject({
          name: 'Warehouse.RowsNotTaken',
          message: expect.stringMatching(new RegExp(`(trigger|rule) ${which}`)),
        })
        expect(await warehouse.query('SELECT count(*) AS n FROM target')).toEqual([{ n: '8' }])
        expect(await warehouse.ledger({})).toHaveLength(1)
      },
    )

  test('one that changes a value is left to change it', async () => {
    await using warehouse = await open()
    await warehouse.load(input(1, replace, rows))
    await warehouse.query(
      `CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note = upper(NEW.note); RETURN NEW; END'`,
    )
    await warehouse.query('CREATE TRIGGER shouting BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION shout()')
    expect((await warehouse.load(input(2, replace, changed))).total).toBe(9)
  })
})

describe('what else belongs to a target', () => {
  test('a key that deletes follow is refused before anything goes; one that may wait is checked at the end', async () => {
    await using warehouse = await open()
    await warehouse.query('CREATE TABLE target (id integer PRIMARY KEY, day date, note text)')
    await warehouse.load(input(1, replace, rows))
    await warehouse.query(
      'CREATE TABLE fact (id integer, CONSTRAINT fact_target FOREIGN KEY (id) REFERENCES target (id) ON DELETE CASCADE)',
    )
    await warehouse.query('INSERT INTO fact VALUES (1), (2)')
    for (const load of [replace, incremental, upsert])
      await expect(warehouse.load(input(2, load, changed))).rejects.toMatchObject({
        name: 'Warehouse.DeletesReach',
        message: expect.stringContaining('fact_target'),
      })
    await warehouse.query(
      'ALTER TABLE fact DROP CONSTRAINT fact_target, ADD CONSTRAINT fact_target FOREIGN KEY (id) REFERENCES target (id) DEFERRABLE',
    )
    expect((await warehouse.load(input(2, replace, changed))).total).toBe(9)
    await expect(warehouse.load(input(3, replace, changed.slice(1)))).rejects.toMatchObject({
      name: 'Warehouse.ForeignKey',
    })
    expect(await warehouse.query('SELECT count(*) AS n FROM fact')).toEqual([{ n: '2' }])
  })

  test.each(modes)('rows that a policy hides are not taken for rows that are not there: %o', async (load) => {
    const { settings, schema } = await freshSchema()
    const client = await (await postgresServer()).superuserClient()
    const role = `loader_${schema}`
    await client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'p'; GRANT ALL ON SCHEMA ${schema} TO ${role}`)
    await client.query(`GRANT CREATE ON DATABASE ${settings.database} TO ${role}`)
    const clock = tickingClock()
    const own = { ...settings, user: role, password: 'p' }
    await using warehouse = await openPostgresWarehouse({ settings: own, schema, engine, clock, folder: tmpdir() })
    await warehouse.load(input(1, load, rows))
    await client.query(
      `ALTER TABLE ${schema}.target ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
       CREATE POLICY few ON ${schema}.target USING (id > 4)`,
    )
    await expect(warehouse.load(input(2, load, secondOf(load)))).rejects.toMatchObject({
      name: 'Warehouse.Forbidden',
      message: expect.stringContaining('row-level security'),
    })
    expect((await client.query(`SELECT count(*) AS n FROM ${schema}.target`)).rows).toEqual([{ n: '8' }])
    await client.end()
  })

  test('children by inheritance are rows of the target like all others', async () => {
    for (const load of [replace, incremental, upsert]) {
      await using warehouse = await open()
      await warehouse.load(input(1, load, rows))
      await warehouse.query('CREATE TABLE child () INHERITS (target)')
      await warehouse.query("INSERT INTO child VALUES (10, '2026-01-01', 'by hand')")
      const second = await warehouse.load(input(2, load, changed))
      expect(second).toMatchObject({ edits: { left: 8, found: 9 } })
      const [{ n }] = (await warehouse.query('SELECT count(*) AS n FROM target')) as [{ n: string }]
      expect([second.total, n]).toEqual([9, '9'])
    }
  })

  test('keys padded to a length are refused by name', async () => {
    await using warehouse = await open()
    await warehouse.query('CREATE TABLE target (id char(5), day date, note text)')
    const texts = columns({ id: 'VARCHAR!', day: 'DATE!', note: 'VARCHAR' })
    const padded = inputOf(1, upsert, texts, [['a', '2026-01-01', 'n']])
    await expect(warehouse.load(padded)).rejects.toMatchObject({ name: 'Warehouse.Drift' })
  })
})

/** Fault WH-15: who reads while a load runs, sees the table before or after it, never empty or half. */

import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { Load } from '../../src/definition/types.ts'
import type { Session } from '../../src/engines/engine.ts'
import type { Relation } from '../../src/lake/relation.ts'
import { openDuckDbWarehouse, warehouseOver } from '../../src/warehouses/duckdb/warehouse.ts'
import { openPostgresWarehouse } from '../../src/warehouses/postgres/warehouse.ts'
import { fromSelect, selectOf } from './select-relation.ts'
import { columns, engine, freshSchema, inputOf, postgresServer } from './warehouses.ts'

const shape = columns({ k: 'BIGINT', v: 'BIGINT' })
const size = 20_000

test.each<Load>([
  { mode: 'replace', from: 'a.t' },
  { mode: 'incremental', from: 'a.t', by: 'k' },
  { mode: 'upsert', from: 'a.t', key: ['k'], deletes: 'absence' },
])('WH-15: $mode with a second connection that reads throughout', async (load) => {
  const path = join(mkdtempSync(join(tmpdir(), 'sluice-readers-')), 'warehouse.duckdb')
  const instance = await DuckDBInstance.create(':memory:')
  const [writer, reader] = [await instance.connect(), await instance.connect()]
  await writer.run(`ATTACH '${path}' AS sluice_warehouse`)
  await writer.run('USE sluice_warehouse')
  await reader.run('USE sluice_warehouse')
  const seen = new Set<string>()
  const look = async (): Promise<void> => {
    const [row] = (
      await reader.runAndReadAll('SELECT count(*) AS n, min(v) AS low, max(v) AS high FROM target')
    ).getRowObjectsJson()
    seen.add(JSON.stringify(row))
  }
  let [watched, fail] = [false, false]
  // After every statement of the load the other connection looks.
  const session = {
    run: async (sql: string, params: unknown[] = []) => {
      if (fail && sql.startsWith('INSERT INTO sluice.load_ledger')) throw new TypeError('the disk is gone')
      await writer.run(sql, params as never[])
      if (watched) await look()
    },
    all: async (sql: string, params: unknown[] = []) => {
      const result = await writer.runAndReadAll(sql, params as never[])
      return result.getRowObjectsJson()
    },
    interrupt: () => writer.interrupt(),
    close: () => instance.closeSync(),
    from: async (relation: Relation) => fromSelect(relation),
  } as unknown as Session
  const warehouse = warehouseOver(session, systemClock, () => undefined)
  const version = (v: number) => ({
    ...inputOf(v, load, shape, []),
    relation: selectOf(`SELECT range AS k, CAST(${v} AS BIGINT) AS v FROM range(${size})`),
    rows: size,
  })
  const state = (v: number) => JSON.stringify({ n: String(size), low: String(v), high: String(v) })

  await warehouse.load(version(1))
  watched = true
  await warehouse.load(version(2))
  expect([...seen]).toEqual([state(1), state(2)])
  seen.clear()
  fail = true
  await expect(warehouse.load(version(3))).rejects.toThrow('the disk is gone')
  await look()
  expect([...seen]).toEqual([state(2)])
  await warehouse.close()
})

test.each<Load>([
  { mode: 'replace', from: 'a.t' },
  { mode: 'incremental', from: 'a.t', by: 'k' },
  { mode: 'upsert', from: 'a.t', key: ['k'], deletes: 'absence' },
])('WH-15: $mode in PostgreSQL, with a reader that looks all the time and never waits', async (load) => {
  const place = await freshSchema()
  await using warehouse = await openPostgresWarehouse({ ...place, engine, clock: systemClock, folder: tmpdir() })
  const version = (v: number) => ({
    ...inputOf(v, load, shape, []),
    relation: selectOf(`SELECT range AS k, CAST(${v} AS BIGINT) AS v FROM range(${size})`),
    rows: size,
  })
  await warehouse.load(version(1))
  const reader = await (await postgresServer()).superuserClient()
  const seen: string[] = []
  let loading = true
  const watch = async (): Promise<void> => {
    while (loading) {
      const { rows } = await reader.query(
        `SELECT count(*) AS n, min(v) AS low, max(v) AS high FROM ${place.schema}.target`,
      )
      seen.push(JSON.stringify(rows[0]))
    }
  }
  await reader.query("SET statement_timeout = '2s'")
  const watching = watch()
  await warehouse.load(version(2)).finally(() => {
    loading = false
  })
  await watching
  await reader.end()
  const state = (v: number) => JSON.stringify({ n: String(size), low: String(v), high: String(v) })
  // In this order, and each of them whole.
  const last = seen.lastIndexOf(state(1))
  expect(last).toBeGreaterThan(3)
  expect(new Set(seen.slice(0, last + 1))).toEqual(new Set([state(1)]))
  expect(new Set([...seen.slice(last + 1), state(2)])).toEqual(new Set([state(2)]))
})

test('one process opens a DuckDB file once at a time: the second waits for the first', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'sluice-readers-')), 'warehouse.duckdb')
  const first = await openDuckDbWarehouse({ path, engine, clock: systemClock })
  let second = false
  const waiting = openDuckDbWarehouse({ path, engine, clock: systemClock }).then(async (warehouse) => {
    second = true
    expect(await warehouse.ledger({})).toHaveLength(1)
    await warehouse.close()
  })
  await first.load(inputOf(1, { mode: 'replace', from: 'a.t' }, shape, [[1, 1]]))
  expect(second).toBe(false)
  await first.close()
  await waiting
  expect(second).toBe(true)
  await expect(
    openDuckDbWarehouse({ path: `${path}-none`, engine, readOnly: true, clock: systemClock }),
  ).rejects.toMatchObject({ name: 'Warehouse.Missing' })
})

import { copyFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { duckDbStamp } from './stamp.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-stamp-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

async function change(path: string, sql: string): Promise<void> {
  const instance = await DuckDBInstance.create(path)
  const connection = await instance.connect()
  await connection.run(sql)
  connection.closeSync()
  instance.closeSync()
}

test('reading leaves the stamp as it is; a change of one value changes it, also where size and times are put back', async () => {
  const path = join(folder, 'w.duckdb')
  expect(duckDbStamp(path)).toBeUndefined()
  await change(path, 'CREATE TABLE t AS SELECT 1 AS n')
  const time = new Date(1_000_000)
  utimesSync(path, time, time)
  const stamp = duckDbStamp(path)
  expect(stamp).toMatch(/^[0-9a-f]{64}$/)
  await change(path, 'FROM t')
  expect(duckDbStamp(path)).toBe(stamp)
  await change(path, 'UPDATE t SET n = 2')
  utimesSync(path, time, time)
  expect(duckDbStamp(path)).not.toBe(stamp)
})

test('a log beside the file, and another file under its name, are changes', async () => {
  const path = join(folder, 'w.duckdb')
  await change(path, 'CREATE TABLE t AS SELECT 1 AS n')
  const stamp = duckDbStamp(path)
  writeFileSync(`${path}.wal`, '')
  expect(duckDbStamp(path)).toBeUndefined()
  rmSync(`${path}.wal`)
  copyFileSync(path, join(folder, 'copy'))
  expect(duckDbStamp(join(folder, 'copy'))).not.toBe(stamp)
})

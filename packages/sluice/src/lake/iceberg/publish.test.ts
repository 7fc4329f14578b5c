import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import avro from 'avsc'
import { beforeEach, describe, expect, test } from 'vitest'
import { icebergLake } from '../../../test/iceberg/lake.ts'
import { systemClock } from '../../base/clock.ts'
import { openLake } from '../lake.ts'
import type { CommitRecord } from '../record.ts'
import type { TableMetadata } from './metadata.ts'

const table = 'raw.sales'
let made: Awaited<ReturnType<typeof icebergLake>>

beforeEach(async () => {
  made = await icebergLake()
  return async () => {
    await made.session.close()
    rmSync(made.root, { recursive: true })
  }
})

const fileOf = (address: string): string => address.slice('file://'.length)
const metadataOf = async (): Promise<TableMetadata> =>
  JSON.parse(readFileSync(fileOf((await made.lake.iceberg(table))!.address), 'utf8'))

/** Rows of a container file, by another reader than the one that wrote it. */
async function rowsOf(address: string): Promise<readonly Record<string, never>[]> {
  const rows: Record<string, never>[] = []
  for await (const row of avro.createFileDecoder(fileOf(address))) rows.push(row)
  return rows
}

/** The files of a version as a reader finds them, from the metadata down. */
async function filesOf(
  version: number,
): Promise<readonly { readonly path: string; readonly rows: number; readonly status: number }[]> {
  const { snapshots } = await metadataOf()
  const list = snapshots.find((snapshot) => snapshot['sequence-number'] === version)!['manifest-list']
  const files = []
  for (const manifest of await rowsOf(list))
    for (const { status, data_file: file } of await rowsOf(manifest['manifest_path'] as unknown as string))
      files.push({ path: file!['file_path'] as string, rows: Number(file!['record_count']), status: Number(status) })
  return files
}

const expected = (record: CommitRecord) =>
  record.files.map(({ path, rows }) => ({ path: `file://${made.root}/${path}`, rows }))

describe('after each commit', () => {
  test('every version is a snapshot over the same files: appended, replaced, rolled back, compacted', async () => {
    const records = [await made.commit(table, 'SELECT 1 AS id'), await made.commit(table, 'SELECT 2 AS id')]
    records.push(await made.commit(table, 'SELECT 3 AS id', { operation: 'replace' }))
    const again = { table, version: 2, run: 'run', attempt: 1, fencingToken: 1, fence: async () => {} }
    records.push(await made.lake.rollback(again))
    for (let at = 0; at < 3; at++) records.push(await made.commit(table, `SELECT ${at} AS id`))
    records.push((await made.compact(table))!)
    const { snapshots, 'table-uuid': uuid } = await metadataOf()
    expect(uuid).toBe(records[0]?.uuid)
    expect(snapshots.map(({ summary }) => summary.operation)).toEqual([
      ...['append', 'append', 'overwrite', 'overwrite', ...Array<string>(3).fill('append'), 'replace'],
    ])
    for (const record of records)
      expect((await filesOf(record.version)).map(({ path, rows }) => ({ path, rows }))).toEqual(expected(record))
    expect((await filesOf(2)).map(({ status }) => status)).toEqual([0, 1])
    expect(made.lagging).toEqual([])
  })

  test('a version whose metadata was never written is described with the next one', async () => {
    await made.commit(table, 'SELECT 1 AS id')
    await openLake(made.storage, systemClock).rollback({
      ...{ table, version: 1, run: 'run', attempt: 1, fencingToken: 1, fence: async () => {} },
    })
    expect(await made.lake.iceberg(table)).toMatchObject({ status: 'behind' })
    const record = await made.commit(table, 'SELECT 2 AS id')
    expect((await metadataOf()).snapshots).toHaveLength(3)
    expect((await filesOf(3)).map(({ path, rows }) => ({ path, rows }))).toEqual(expected(record))
  })

  test('what is written again is the same, byte by byte', async () => {
    await made.commit(table, 'SELECT 1 AS id')
    await made.commit(table, 'SELECT 2 AS id, 3 AS more')
    const { address } = (await made.lake.iceberg(table))!
    const before = readFileSync(fileOf(address))
    await made.lake.syncIceberg(table)
    expect(readFileSync(fileOf(address))).toEqual(before)
  })
})

describe('what is not current is said', () => {
  test('a column that Iceberg has no type for', async () => {
    await made.commit(table, 'SELECT 1 AS id')
    await made.commit(table, 'SELECT 2 AS id, 18446744073709551615::UBIGINT AS big, 1::UINTEGER AS u')
    const state = await made.lake.iceberg(table)
    expect(state).toMatchObject({ status: 'unsupported' })
    expect(state?.why).toContain('"big" is UBIGINT, "u" is UINTEGER')
    expect(made.lagging).toEqual([state?.why])
  })

  test('a column that some of the files without ids have, and others may have had by its name', async () => {
    await made.commit(table, "SELECT 1 AS id, 'old' AS x", { withoutIds: true })
    await made.commit(table, 'SELECT 2 AS id', { withoutIds: true })
    expect(await made.lake.iceberg(table)).toMatchObject({ status: 'current' })
    await made.commit(table, "SELECT 3 AS id, 'new' AS x", { withoutIds: true })
    expect(await made.lake.iceberg(table)).toMatchObject({ status: 'unsupported' })
  })

  test('a commit of another writer is named and not merged; on request ours are back', async () => {
    await made.commit(table, 'SELECT 1 AS id')
    const { address } = (await made.lake.iceberg(table))!
    const foreign = fileOf(address).replace('v1.', 'v2.')
    writeFileSync(foreign, JSON.stringify({ ...(await metadataOf()), 'current-snapshot-id': 7 }))
    expect(await made.lake.iceberg(table)).toMatchObject({ status: 'foreign' })
    const record = await made.commit(table, 'SELECT 2 AS id')
    expect(await made.lake.iceberg(table)).toMatchObject({ status: 'foreign' })
    expect(made.lagging).toHaveLength(1)
    expect(JSON.parse(readFileSync(foreign, 'utf8'))['current-snapshot-id']).toBe(7)
    // Nor by the next commit, to which it is the version before.
    await made.commit(table, 'SELECT 3 AS id')
    expect(await made.lake.iceberg(table)).toMatchObject({ status: 'foreign' })
    expect(await made.storage.stat('raw/sales/metadata/v3.metadata.json')).toBeUndefined()
    expect(await made.lake.syncIceberg(table)).toMatchObject({ status: 'current' })
    expect((await filesOf(2)).map(({ path, rows }) => ({ path, rows }))).toEqual(expected(record))
    await made.commit(table, 'SELECT 4 AS id')
    expect(await made.lake.iceberg(table)).toMatchObject({ status: 'current' })
  })

  test('storage that takes no metadata fails no commit', async () => {
    const said: string[] = []
    const write = async (path: string, bytes: string | Uint8Array): Promise<void> => {
      if (path.endsWith('.avro')) throw new RangeError('the disk is full')
      await made.storage.write(path, bytes)
    }
    const lake = openLake({ ...made.storage, write }, systemClock, {
      ...{ address: `file://${made.root}`, lagging: (of, why) => said.push(`${of}: ${why}`) },
    })
    await made.commit(table, 'SELECT 1 AS id')
    await lake.rollback({ table, version: 1, run: 'run', attempt: 1, fencingToken: 1, fence: async () => {} })
    expect((await lake.current(table))?.version).toBe(2)
    expect(said).toEqual([`${table}: the disk is full`])
    expect(await made.lake.syncIceberg(table)).toMatchObject({ status: 'current' })
  })
})

test('versions that retention removes leave the metadata, and their files of it go', async () => {
  for (let at = 0; at < 5; at++) await made.commit(table, `SELECT ${at} AS id`)
  const later = { ...systemClock, now: () => new Date(Date.now() + 400 * 86_400_000) }
  const lake = openLake(made.storage, later, { address: `file://${made.root}` })
  await lake.collectGarbage({ retention: () => ({ versions: 2 }) })
  expect((await metadataOf()).snapshots.map((one) => one['sequence-number'])).toEqual([4, 5])
  expect(await filesOf(4)).toHaveLength(4)
  const { removed, foreign } = await openLake(made.storage, {
    ...systemClock,
    now: () => new Date(later.now().getTime() + 2 * 86_400_000),
  }).collectGarbage({ retention: () => ({ versions: 2 }) })
  expect(removed.filter((path) => path.includes('/metadata/'))).toHaveLength(9)
  expect(foreign).toEqual([])
  expect(await filesOf(5)).toHaveLength(5)
})

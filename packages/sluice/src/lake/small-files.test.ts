import { expect, test } from 'vitest'
import { sha256 } from '../base/json.ts'
import type { CommitRecord, DataFile } from './record.ts'
import { smallFiles } from './small-files.ts'

let number = 0
const file = (addedIn: number, bytes: number, more: Partial<DataFile> = {}): DataFile => ({
  path: `raw/log/data/x/part-${number}.parquet`,
  sha256: sha256(`${number++}`),
  rows: 1,
  bytes,
  stats: {},
  fields: ['a'],
  addedIn,
  ...more,
})

const recordOf = (files: readonly DataFile[], version = files.at(-1)?.addedIn ?? 1): CommitRecord =>
  ({ version, files, operation: 'append' }) as unknown as CommitRecord

const versionsOf = (groups: readonly (readonly DataFile[])[]) =>
  groups.map((files) => files.map(({ addedIn }) => addedIn))

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at)

test('sixteen small files become one; fifteen wait', () => {
  const files = range(1, 16).map((version) => file(version, 50_000))
  expect(smallFiles(recordOf(files.slice(0, 15)))).toEqual([])
  expect(versionsOf(smallFiles(recordOf(files)))).toEqual([range(1, 16)])
})

test('a table that is replaced or was rolled back is left alone', () => {
  const files = range(1, 16).map((version) => file(version, 50_000))
  for (const operation of ['replace', 'rollback'] as const)
    expect(smallFiles({ ...recordOf(files), operation })).toEqual([])
})

test('files of different partitions or columns, and those that are large enough, do not meet', () => {
  const day = (name: string) => ({ partition: { day: name } })
  expect(smallFiles(recordOf(range(1, 30).map((version) => file(version, 9, day(version % 2 ? 'a' : 'b')))))).toEqual(
    [],
  )
  const columns = range(1, 30).map((version) => file(version, 9, { fields: version <= 15 ? ['a'] : ['a', 'b'] }))
  expect(smallFiles(recordOf(columns))).toEqual([])
  const large = range(1, 30).map((version) => file(version, version === 15 ? 32 << 20 : 9))
  expect(smallFiles(recordOf(large))).toEqual([])
})

test('what one version brought into a partition stays together', () => {
  // Each brings 20 MB in two files: a third one would be more than a file is to have.
  const files = range(1, 9).flatMap((version) => [file(version, 10 << 20), file(version, 10 << 20)])
  const groups = versionsOf(smallFiles(recordOf(files)))
  expect(groups).toEqual([
    [1, 1, 2, 2, 3, 3],
    [4, 4, 5, 5, 6, 6],
    [7, 7, 8, 8, 9, 9],
  ])
  const huge = range(1, 3).flatMap((version) => range(1, 9).map(() => file(version, 5 << 20)))
  expect(smallFiles(recordOf(huge))).toEqual([])
})

test('two files are enough where nothing has come into their partition for sixteen versions', () => {
  const files = [file(1, 9, { partition: { day: 'a' } }), file(2, 9, { partition: { day: 'a' } })]
  expect(smallFiles(recordOf(files, 17))).toEqual([])
  expect(versionsOf(smallFiles(recordOf(files, 18)))).toEqual([[1, 2]])
  const uneven = [file(1, 900), file(2, 9)].map((one) => ({ ...one, partition: { day: 'a' } }))
  expect(smallFiles(recordOf(uneven, 18))).toEqual([])
})

test('a backlog is written in several files, and over several times', () => {
  const files = range(1, 20_000).map((version) => file(version, 50_000))
  const groups = smallFiles(recordOf(files))
  const bytes = groups.map((group) => group.reduce((sum, one) => sum + one.bytes, 0))
  expect(groups.length).toBeGreaterThan(1)
  expect(Math.max(...bytes)).toBeLessThanOrEqual(64 << 20)
  expect(bytes.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(256 << 20)
})

test('three days of a file every half a minute: few files, and a row is written a few times', () => {
  const [days, each] = [3, 2_880]
  let files: DataFile[] = []
  let [version, added, rewritten, most] = [0, 0, 0, 0]
  for (let day = 1; day <= days; day++) {
    for (let at = 0; at < each; at++) {
      const bytes = 100_000 + ((at * 7919) % 400_000)
      files.push(file(++version, bytes, { partition: { _date: `2026-01-0${day}` } }))
      added += bytes
      most = Math.max(most, files.length)
      const groups = smallFiles(recordOf(files, version))
      if (groups.length === 0) continue
      version++
      for (const group of groups) {
        const gone = new Set(group)
        const total = group.reduce((sum, one) => sum + one.bytes, 0)
        rewritten += total
        const merged = { ...file(group.at(-1)!.addedIn, total, group[0]), addedIn: group.at(-1)!.addedIn, bytes: total }
        files = files.flatMap((one) =>
          one === group[0]
            ? [{ ...merged, path: `merged-${number++}`, merged: { from: group[0]!.addedIn, identity: '' } }]
            : gone.has(one)
              ? []
              : [one],
        )
      }
    }
  }
  const times = rewritten / added
  console.log(
    `${days * each} appends: at most ${most} files, ${files.length} at the end; rows written again ${times.toFixed(1)} times`,
  )
  expect(most).toBeLessThan(100)
  expect(times).toBeLessThan(6)
})

/** Every warehouse × `incremental`, where it is known which files came and went since the version loaded last. */

import { describe, expect, test } from 'vitest'
import type { Load } from '../../src/definition/types.ts'
import type { LoadInput } from '../../src/warehouses/warehouse.ts'
import { selectOf } from './select-relation.ts'
import { columns, inputOf, rowsOf, warehouses } from './warehouses.ts'

const shape = columns({ id: 'INTEGER!', day: 'DATE!', note: 'VARCHAR' })
const load: Load = { mode: 'incremental', from: 'analytics.t', by: 'day' }
type Row = readonly [id: number, day: string, note: string]
type File = readonly Row[]

/** The input of a version that is these files, after one that was those. */
function versionOf(version: number, files: readonly File[], before: readonly File[] | undefined): LoadInput {
  const came = files.filter((file) => before?.includes(file) !== true).flat()
  const went = (before ?? []).filter((file) => !files.includes(file)).map((file) => file.map(([, day]) => day).sort())
  const moved = {
    came: selectOf(rowsOf(shape, came)),
    rows: came.length,
    went: went.map((days) => ({ min: days[0]!, max: days.at(-1)! })),
  }
  return inputOf(version, load, shape, files.flat(), before === undefined ? {} : { moved })
}

/** Always the same numbers. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * below)
  }
}

describe.each(warehouses)('$name', ({ make }) => {
  test('WH-11: only keys of files that came or went are compared and replaced, late rows and vanished keys among them', async () => {
    await using warehouse = await (await make()).open()
    const [one, two]: File[] = [
      [
        [1, '2026-01-01', 'a'],
        [2, '2026-01-02', 'b'],
      ],
      [
        [3, '2026-01-05', 'c'],
        [4, '2026-01-06', 'd'],
      ],
    ] as const
    await warehouse.load(versionOf(1, [one!, two!], undefined))
    // What is in no file that moved is not even looked at: this row would be found out by its fingerprint otherwise.
    await warehouse.query(
      `UPDATE ${warehouse.capabilities.ownSchema}.load_keys SET fingerprint = 'x' WHERE key_value = '2026-01-01'`,
    )
    const again: File = [
      [3, '2026-01-05', 'c'],
      [5, '2026-01-07', 'late'],
      [6, '2026-01-02', 'late'],
    ]
    const second = await warehouse.load(versionOf(2, [one!, again], [one!, two!]))
    expect(second).toMatchObject({ read: 5, inserted: 3, deleted: 2, unchanged: 2, total: 5 })
    expect(second.keys).toEqual(['2026-01-02', '2026-01-06', '2026-01-07'])
    // A file that says the same in another way changes nothing.
    const third = await warehouse.load(versionOf(3, [[...one!, ...again]], [one!, again]))
    expect(third).toMatchObject({ inserted: 1, deleted: 1, keys: ['2026-01-01'] })
  })

  test('WH-11: whatever files come and go, the target is the version, as it is where all keys are compared', async () => {
    await using warehouse = await (await make()).open()
    const pick = random(7)
    let [files, before]: [File[], File[] | undefined] = [[], undefined]
    for (let version = 1; version <= 25; version++) {
      files = files.filter(() => pick(4) > 0)
      for (let added = pick(3); added > 0; added--) {
        const day = pick(12)
        const row = (at: number): Row => [
          pick(5),
          `2026-01-${String(((day + at * pick(4)) % 28) + 1).padStart(2, '0')}`,
          'ab'[pick(2)]!,
        ]
        files.push(Array.from({ length: 1 + pick(4) }, (_, at) => row(at)))
      }
      const result = await warehouse.load(versionOf(version, files, before))
      const rows = files.flat()
      expect([result.total, result.read]).toEqual([rows.length, rows.length])
      const text = (await warehouse.query('SELECT id, day, note FROM target')).map((row) => Object.values(row).join())
      expect(text.sort()).toEqual(rows.map((row) => row.join()).sort())
      before = files
    }
    expect(await warehouse.load(inputOf(99, load, shape, files.flat()))).toMatchObject({ inserted: 0, deleted: 0 })
  })

  test('WH-12: where a file that came has other rows than the record says, nothing is written', async () => {
    await using warehouse = await (await make()).open()
    const first: File = [[1, '2026-01-01', 'a']]
    const input = versionOf(1, [first, [[2, '2026-01-02', 'b']]], [first])
    const wrong = { ...input, moved: { ...input.moved!, rows: 2 } }
    await expect(warehouse.load(wrong)).rejects.toMatchObject({ name: 'Warehouse.RowsDiffer' })
  })
})

import { closeSync, ftruncateSync, openSync, readdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Drop, openDrop, sourceOf } from './drop.ts'

const source = sourceOf({ id: 'integer', v: 'text' })
const record = (bytes: number): string => `id,v\n1,a\n2,${'q'.repeat(bytes)}\n3,c\n`

/** A file whose second record goes on for gigabytes that no disk holds. */
function deliverSparse(drop: Drop, path: string, bytes: number): void {
  drop.deliver(path, 'id,v\n1,a\n2,')
  const descriptor = openSync(join(drop.root, path), 'r+')
  ftruncateSync(descriptor, bytes)
  writeSync(descriptor, '\n3,c\n', bytes)
  closeSync(descriptor)
}

test.each([
  ['50 MB', (drop: Drop) => drop.deliver('inbox/b_1.csv', record(50_000_000))],
  ['1 GB', (drop: Drop) => deliverSparse(drop, 'inbox/b_1.csv', 1_000_000_000)],
] as const)(
  'IN-19: a record of %s refuses its file by name; its neighbour is published, and the next run does not meet it',
  async (_, deliver) => {
    await using drop = await openDrop()
    deliver(drop)
    drop.deliver('inbox/b_2.csv', 'id,v\n9,z\n')
    const taken = await drop.take(source)
    expect(taken.refused.map(({ input, error }) => [input.path, error.name])).toEqual([
      ['inbox/b_1.csv', 'Source.RecordTooLarge'],
    ])
    expect(taken.refused[0]?.error.message).toContain('at line 3 (byte 9)')
    expect(taken.rows.map(({ id }) => id)).toEqual(['9'])
    await drop.acknowledge(source, taken)
    expect(readdirSync(join(drop.root, 'error'))).toContain('b_1.csv')
    expect((await drop.take(source)).inputs).toEqual([])
  },
)

test('IN-19: a record beyond the limits that can be held refuses its row only', async () => {
  await using drop = await openDrop()
  drop.deliver('inbox/b_1.csv', record(12_000_000))
  const taken = await drop.take(source)
  expect(taken.refused).toEqual([])
  expect(taken.rows.map(({ id }) => id)).toEqual(['1', '3'])
  expect(taken.quarantine.map(({ bytes, reasons }) => [bytes.length, reasons])).toEqual([
    [12_000_003, ['structure:tooLarge']],
  ])
})

test('LD-1: a field of 40 MB within raised limits is read in 512 MiB', async () => {
  await using drop = await openDrop()
  drop.deliver('inbox/b_1.csv', record(40_000_000))
  const taken = await drop.take({ ...source, limits: { maxFieldBytes: 64e6, maxRecordBytes: 64e6 } })
  expect(taken.refused).toEqual([])
  expect(taken.rows.map(({ id, v }) => [id, v?.length])).toEqual([
    ['1', 1],
    ['2', 40_000_000],
    ['3', 1],
  ])
})

test('IN-19: a row that is refused for its values is held, too, or refuses its file', async () => {
  await using drop = await openDrop()
  drop.deliver('inbox/b_1.csv', `id,v\nx,${'q'.repeat(20_000_000)}\n3,c\n`)
  const taken = await drop.take({ ...source, limits: { maxFieldBytes: 64e6, maxRecordBytes: 64e6 } })
  expect(taken.refused.map(({ error }) => error.name)).toEqual(['Source.RecordTooLarge'])
})

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { copiedSql, longestRecord } from './copied.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-copied-'))
afterAll(() => rmSync(folder, { recursive: true }))

const usual = 2_097_152
const small = '"a","1"\n'

async function longest(text: string): Promise<number> {
  const file = join(folder, 'copied.csv')
  writeFileSync(file, text)
  return longestRecord(file)
}

/** A record with one long field. */
const record = (filling: string, times: number): string => `"${filling.repeat(times)}x"\n`

test('what is usual is enough for small records, however many, and for none', async () => {
  expect(await longest('')).toBe(usual)
  expect(await longest(small)).toBe(usual)
  expect(await longest(small.repeat(500_000))).toBe(usual)
})

test('the longest record counts, wherever it stands and whatever is in it', async () => {
  const many = small.repeat(300_000)
  for (const long of [
    record('x', 3_000_001),
    record('\n', 5_000_000),
    record('"",\n', 1_000_000),
    record('"""",', 900_001),
  ])
    for (const text of [long, long + many, many + long, many + long + many + record('y', 2_200_000)])
      expect(await longest(text)).toBe(long.length)
})

test('NULL at the end of a record is no text', async () => {
  expect(await longest('"a",,,\n'.repeat(500_000))).toBe(usual)
})

test('no buffer is asked for that does not fit', async () => {
  const length = await longest(record('x', 40_000_000))
  expect(length).toBe(40_000_004)
  expect(copiedSql('x.csv', 1, [0], [], length)).toMatch(/max_line_size = 33554432, buffer_size = 67108864,/)
})

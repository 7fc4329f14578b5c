import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { duckDbEngine } from '../engines/duckdb/engine.ts'
import { exportQuarantine, quarantineRelation, quarantineWriter } from './quarantine.ts'

const engine = duckDbEngine({ memoryLimit: '512MB', threads: 2 })
const scratch = (): string => mkdtempSync(join(tmpdir(), 'sluice-quarantine-'))

test('any bytes, any text: a refused record comes back as it was', async () => {
  await using session = await engine.open()
  const record = fc.record({
    file: fc.constantFrom('inbox/a.csv', "inbox/it's \n.csv"),
    line: fc.nat(),
    record: fc.nat(),
    offset: fc.maxSafeNat(),
    bytes: fc.uint8Array({ maxLength: 50 }),
    reasons: fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 3 }),
    fields: fc.dictionary(fc.string({ minLength: 1 }), fc.option(fc.string({ unit: 'grapheme' }), { nil: null })),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 40 }), async (records) => {
      const folder = scratch()
      const writer = quarantineWriter(session, folder)
      writer.header('inbox/a.csv', Buffer.from('id,x\r\n'))
      for (const one of records) writer.add(one)
      const written = await writer.finish()
      expect(readdirSync(folder)).toEqual(['quarantine'])
      expect(written?.rows).toBe(records.length)
      expect(Object.values(written?.reasons ?? {}).reduce((a, b) => a + b, 0)).toBe(records.length)
      const rows = await session.all<Record<string, unknown>>(
        `SELECT * EXCLUDE (_bytes, _header), hex(_bytes) AS bytes, hex(_header) AS header FROM ${await session.from(quarantineRelation([written!]))}`,
      )
      const found = rows.map((row) => ({
        file: row['_file'],
        line: Number(row['_line']),
        record: Number(row['_record']),
        offset: Number(row['_offset']),
        bytes: row['bytes'],
        reasons: row['reasons'],
        fields: JSON.parse(row['fields'] as string),
        header: row['header'],
      }))
      const expected = records.map((one) => ({
        ...one,
        bytes: Buffer.from(one.bytes).toString('hex').toUpperCase(),
        fields: JSON.parse(JSON.stringify(one.fields)),
        header: one.file === 'inbox/a.csv' ? '69642C780D0A' : null,
      }))
      const key = (row: unknown): string => JSON.stringify(row)
      expect(found.map(key).sort()).toEqual(expected.map(key).sort())
    }),
    { numRuns: 20 },
  )
})

test('an export is the original bytes, each file with its header, and can be cut by reason', async () => {
  await using session = await engine.open()
  const writer = quarantineWriter(session, scratch())
  const add = (file: string, offset: number, text: string, reason: string): void =>
    writer.add({ file, line: offset, record: offset, offset, bytes: Buffer.from(text, 'latin1'), reasons: [reason] })
  writer.header('a.csv', Buffer.from('\ufeffid;name\r\n'))
  add('a.csv', 90, '9;last', 'late')
  add('a.csv', 20, '1;"x\ny"\r\n', 'cast:id')
  add('b.csv', 0, 'no end', 'cast:id')
  add('b.csv', 6, '\xe9\n', 'encoding')
  const written = await writer.finish()
  const collect = async (where?: string): Promise<Record<string, string>> => {
    const files: Record<string, string> = {}
    for await (const { file, bytes } of exportQuarantine(session, [written!], where))
      files[file] = (files[file] ?? '') + Buffer.from(bytes).toString('latin1')
    return files
  }
  expect(await collect()).toEqual({
    'a.csv': `${Buffer.from('\ufeff').toString('latin1')}id;name\r\n1;"x\ny"\r\n9;last`,
    'b.csv': 'no end\n\xe9\n',
  })
  expect(await collect("list_contains(reasons, 'encoding')")).toEqual({ 'b.csv': '\xe9\n' })
})

test('nothing refused: no file; no files: no rows with the same columns', async () => {
  await using session = await engine.open()
  expect(await quarantineWriter(session, scratch()).finish()).toBeUndefined()
  expect(await session.all(`FROM ${await session.from(quarantineRelation([]))}`)).toEqual([])
  const writer = quarantineWriter(session, scratch())
  writer.add({ file: 'f', line: 1, record: 1, offset: 0, bytes: new Uint8Array(), reasons: ['a', 'b'] })
  const written = await writer.finish()
  expect([...(written?.broken ?? [])]).toEqual([
    ['a', 1],
    ['b', 1],
  ])
  const [none, some] = [await session.from(quarantineRelation([])), await session.from(quarantineRelation([written!]))]
  expect(await session.describe(`FROM ${none}`)).toEqual(await session.describe(`FROM ${some}`))
})

test('large records and many: memory stays bounded, order is kept', async () => {
  await using session = await engine.open()
  const writer = quarantineWriter(session, scratch())
  for (let i = 0; i < 30_000; i++)
    writer.add({ file: 'f', line: i, record: i, offset: i, bytes: Buffer.from(`row ${i}\n`), reasons: ['r'] })
  writer.add({ file: 'f', line: 9, record: 9, offset: 1e9, bytes: Buffer.alloc(20 << 20, 65), reasons: ['r'] })
  const written = await writer.finish()
  const rows = await session.all(
    `SELECT count(*)::INT AS n, max(octet_length(_bytes))::INT AS longest FROM ${await session.from(quarantineRelation([written!]))}`,
  )
  expect(rows).toEqual([{ n: 30_001, longest: 20 << 20 }])
})

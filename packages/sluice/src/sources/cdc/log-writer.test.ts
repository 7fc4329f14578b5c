import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { encode, unchanged } from '../../../test/cdc/pgoutput-encoder.ts'
import { duckDbEngine } from '../../engines/duckdb/engine.ts'
import type { Session } from '../../engines/engine.ts'
import { quoteText } from '../../sql/quote.ts'
import { type ChangeLogOptions, changeLogWriter, type WrittenLog } from './log-writer.ts'
import { type Assembler, transactionAssembler } from './transactions.ts'
import { pgoutputDecoder } from './wire/pgoutput.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-log-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const engine = duckDbEngine({ memoryLimit: '512MB', threads: 2 })
let number = 0

const relation = (id: number, name: string, ...more: readonly string[]) => ({
  id,
  schema: 'public',
  name,
  replicaIdentity: 'd' as const,
  columns: ['id', 'text', ...more].map((column) => ({ name: column, typeOid: 25, isKey: column === 'id' })),
})

function options(session: Session, more: Partial<ChangeLogOptions> = {}): ChangeLogOptions {
  const own = join(folder, `${number++}`)
  mkdirSync(own)
  const tables = new Set(['public.a', 'public.b'])
  return { session, folder: own, partitionBy: 'day', tables, shapes: new Map(), types: new Map(), ...more }
}

async function write(given: ChangeLogOptions, messages: readonly Buffer[]): Promise<WrittenLog> {
  const limits = { folder: given.folder, memoryBytes: 1 << 20, diskBytes: 1 << 30 }
  const assembler: Assembler = transactionAssembler(pgoutputDecoder(), 0n, limits)
  const writer = await changeLogWriter(given)
  for (const message of messages) {
    const transaction = assembler.push(message, 0, message.length)
    if (transaction !== undefined) await writer.add(transaction)
  }
  return writer.finish()
}

const read = (session: Session, log: WrittenLog, columns: string) =>
  session.all(
    `SELECT ${columns} FROM read_parquet([${log.files.map(({ localFile }) => quoteText(localFile)).join(', ')}], hive_partitioning = false) ORDER BY _lsn, _seq`,
  )

// 2023-11-14 22:13:20.123456 UTC, and three hours later: another day.
const evening = 1_700_000_000_123_456n
const night = evening + 10_800_000_000n

test('changes of all tables are in one log, in order, with exact texts, positions and times', async () => {
  await using session = await engine.open()
  const log = await write(options(session), [
    encode.begin(0x1_0000_0000n, evening, 4_000_000_000),
    encode.relation(relation(1, 'a')),
    encode.insert(1, ['1', 'é"\\\n\ufeff😀']),
    encode.relation(relation(2, 'b')),
    encode.insert(2, ['1', null]),
    encode.update(1, ['2', unchanged], { kind: 'K', values: ['1', null] }),
    encode.commit(0x1_0000_0000n, 0x1_0000_00ffn, evening),
    encode.begin(0x1_0000_0100n, night, 4_000_000_001),
    encode.delete(2, 'K', ['1', null]),
    encode.truncate([1, 2], 0),
    encode.commit(0x1_0000_0100n, 0x1_0000_0110n, night),
  ])
  const rows = await read(session, log, '_table, _op, _lsn, _position, _seq, key, before, after, _unchanged')
  const first = { _lsn: '4294967551', _position: '1/FF' }
  const second = { _lsn: '4294967568', _position: '1/110' }
  const none = { key: null, before: null, after: null, _unchanged: null }
  const [a, b] = [{ _table: 'public.a' }, { _table: 'public.b' }]
  const shape = expect.stringMatching(
    /^\{"replicaIdentity":"default","key":\["id"\],"columns":\[\{"name":"id","typeOid":25,/,
  )
  expect(rows).toEqual([
    { ...first, ...none, ...a, _op: 'R', _seq: '0', after: shape },
    {
      ...first,
      ...none,
      ...a,
      _op: 'I',
      _seq: '1',
      key: '{"id":"1"}',
      after: '{"id":"1","text":"é\\"\\\\\\n\ufeff😀"}',
    },
    { ...first, ...none, ...b, _op: 'R', _seq: '2', after: shape },
    { ...first, ...none, ...b, _op: 'I', _seq: '3', key: '{"id":"1"}', after: '{"id":"1","text":null}' },
    {
      ...{ ...first, ...a, _op: 'U', _seq: '4', key: '{"id":"2"}', before: '{"id":"1"}', after: '{"id":"2"}' },
      _unchanged: '["text"]',
    },
    { ...second, ...none, ...b, _op: 'D', _seq: '0', key: '{"id":"1"}', before: '{"id":"1"}' },
    { ...second, ...none, ...a, _op: 'T', _seq: '1' },
    { ...second, ...none, ...b, _op: 'T', _seq: '2' },
  ])
  expect(
    await read(
      session,
      log,
      'DISTINCT ON (_lsn) _lsn, _seq, _xid, _committed_at::VARCHAR AS at, _date::VARCHAR AS day',
    ),
  ).toMatchObject([
    { _xid: '4000000000', at: '2023-11-14 22:13:20.123456+00', day: '2023-11-14' },
    { _xid: '4000000001', at: '2023-11-15 01:13:20.123456+00', day: '2023-11-15' },
  ])
  expect(log.files.map(({ partition, rows: count }) => [partition, count])).toEqual([
    [{ _date: '2023-11-14' }, 5],
    [{ _date: '2023-11-15' }, 3],
  ])
  expect(log.files[0]?.stats).toMatchObject({ _lsn: { min: '4294967551', nulls: 0 }, before: { nulls: 4 } })
  expect(log.files[0]?.stats['after']).toEqual({ nulls: 0 })
  expect(log.accounting).toEqual({ read: 8, accepted: 8, quarantined: 0, dropped: {} })
  const { localFile } = log.files[0]!
  const fields = await session.describe(
    `SELECT * FROM read_parquet(${quoteText(localFile)}, hive_partitioning = false)`,
  )
  expect(fields).toEqual(log.fields.map(({ name, type }) => ({ name, type })))
})

test('a shape is in the log once, whatever the connections, and again when it has changed', async () => {
  await using session = await engine.open()
  const transaction = (lsn: bigint, ...messages: readonly Buffer[]) => [
    encode.begin(lsn, evening, 7),
    ...messages,
    encode.commit(lsn, lsn + 10n, evening),
  ]
  const one = encode.relation(relation(1, 'a'))
  const first = await write(
    options(session),
    transaction(100n, one, encode.insert(1, ['1', 'x']), one, encode.insert(1, ['2', 'x'])),
  )
  expect(await read(session, first, '_op')).toEqual([{ _op: 'R' }, { _op: 'I' }, { _op: 'I' }])
  const known = options(session, { shapes: first.shapes })
  const second = await write(known, [
    ...transaction(200n, encode.relation(relation(99, 'a')), encode.insert(99, ['3', 'x'])),
    ...transaction(300n, encode.relation(relation(99, 'a', 'added')), encode.insert(99, ['3', 'x', 'y'])),
  ])
  expect(await read(session, second, '_op')).toEqual([{ _op: 'I' }, { _op: 'R' }, { _op: 'I' }])
  expect(second.shapes).not.toEqual(first.shapes)
})

test('changes of tables that are not captured are counted, and not written', async () => {
  await using session = await engine.open()
  const log = await write(options(session, { tables: new Set(['public.b']), partitionBy: 'hour' }), [
    encode.begin(100n, evening, 7),
    encode.relation(relation(1, 'a')),
    encode.relation(relation(2, 'b')),
    encode.insert(1, ['1', 'x']),
    encode.insert(2, ['1', 'x']),
    encode.truncate([1, 2], 0),
    encode.commit(100n, 110n, evening),
  ])
  expect(await read(session, log, '_table, _op, _seq::INT AS seq')).toMatchObject([
    { _op: 'R' },
    { _op: 'I' },
    { _op: 'T' },
  ])
  expect(log.accounting).toEqual({ read: 5, accepted: 3, quarantined: 0, dropped: { 'table is not captured': 2 } })
  expect(log.files.map(({ partition }) => partition)).toEqual([{ _date: '2023-11-14', _hour: '22' }])
})

test('a large transaction is written in parts, and nothing of it is missing', async () => {
  await using session = await engine.open()
  const count = 150_000
  const messages = [encode.begin(100n, evening, 7), encode.relation(relation(1, 'a'))]
  for (let i = 0; i < count; i++) messages.push(encode.insert(1, [`${i}`, 'x']))
  const log = await write(options(session), [...messages, encode.commit(100n, 110n, evening)])
  expect(log.files.length).toBe(3)
  const files = log.files.map(({ localFile }) => quoteText(localFile)).join(', ')
  expect(
    await session.all(
      `SELECT count(*)::INT AS rows, count(DISTINCT key)::INT AS keys, max(_seq)::INT AS last FROM read_parquet([${files}]) WHERE _op = 'I' AND after = '{"id":"' || (_seq - 1) || '","text":"x"}'`,
    ),
  ).toEqual([{ rows: count, keys: count, last: count }])
})

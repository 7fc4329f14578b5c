/** SR-13 for SQL Server: half a million rows in flat memory, at the sink's pace; and how fast they come, beside the driver's own loop. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { Connection, Request, TYPES } from 'tedious'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CallSink } from '../../src/connections/connection.ts'
import { callOf, collect, collector, connect, never } from './sqlserver.ts'

const rows = 500_000
const server = fork(new URL('./sqlserver-volume-server.ts', import.meta.url), {
  execArgv: ['--import', 'jiti/register'],
})
let port = 0

beforeAll(async () => {
  port = ((await once(server, 'message')) as [number])[0]
})
afterAll(() => void server.kill())

const big = (count: number) =>
  callOf('big', { parameters: [{ name: 'rows', type: 'integer', value: String(count) }], timeoutMs: 120_000 })
const megabytes = (bytes: number) => Math.round(bytes / 1_048_576)

/** A sink that counts. */
function counter(onRows: (total: number) => void | Promise<void> = () => {}): CallSink & { total: number } {
  const sink = {
    ...collector().sink,
    total: 0,
    rows(_set: number, _cells: unknown, count: number) {
      sink.total += count
      return onRows(sink.total)
    },
  }
  return sink
}

/** The driver alone: rows are counted, and nothing else. */
async function driverAlone(): Promise<number> {
  const driver = new Connection({
    server: '127.0.0.1',
    authentication: { type: 'default', options: { userName: 'reader', password: 'secret' } },
    options: { port, encrypt: false, requestTimeout: 0 },
  })
  await new Promise<void>((resolve, reject) => driver.connect((error) => (error ? reject(error) : resolve())))
  let counted = 0
  await new Promise<void>((resolve, reject) => {
    const request = new Request('big', (error) => (error ? reject(error) : resolve()))
    request.addParameter('rows', TYPES.Int, rows)
    request.on('row', () => {
      counted++
    })
    driver.callProcedure(request)
  })
  driver.close()
  return counted
}

/** Rows a second. */
async function pace(count: () => Promise<number>): Promise<number> {
  const started = performance.now()
  expect(await count()).toBe(rows)
  return Math.round((rows * 1_000) / (performance.now() - started))
}

test('SR-13: 500,000 rows of ten columns in flat memory, no slower than the driver that only counts them', async () => {
  await using connection = await connect(port)
  await connection.call(big(20_000), counter(), never)
  let peak = 0
  const before = process.memoryUsage().rss
  const ours = await pace(async () => {
    const sink = counter(() => {
      peak = Math.max(peak, process.memoryUsage().rss)
    })
    expect((await connection.call(big(rows), sink, never)).rows).toEqual([rows])
    return sink.total
  })
  const theirs = await pace(driverAlone)
  console.log(
    `SQL Server double: ${ours} rows/s as exact text, ${theirs} rows/s by the driver's own loop (ratio ${(ours / theirs).toFixed(2)}); ` +
      `RSS ${megabytes(before)} MB before, ${megabytes(peak)} MB at most`,
  )
  expect(megabytes(peak - before)).toBeLessThan(150)
  expect(ours).toBeGreaterThan(theirs / 2)
})

test('SR-13: a slow sink holds the server back', async () => {
  await using connection = await connect(port)
  await using other = await connect(port)
  let held: number | undefined
  const sink = counter(async (total) => {
    if (total !== 4_096) return
    await delay(300)
    held = Number((await collect(other, 'sent')).rows[0]![0]![0])
  })
  await connection.call(big(rows), sink, never)
  expect(sink.total).toBe(rows)
  expect(held).toBeLessThan(rows / 5)
})

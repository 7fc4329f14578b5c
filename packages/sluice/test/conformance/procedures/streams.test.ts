/** Long results: flat memory, slow sinks, calls that are given up, lines that are cut. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { CallSink } from '../../../src/connections/connection.ts'
import { startProxy } from './proxy.ts'
import { callOf, given } from './server.ts'
import { onEachServer } from './servers.ts'

const wanted = 500_000
const megabyte = 2 ** 20

/** Waits for something that must happen. */
async function until(happens: () => boolean): Promise<void> {
  for (let waited = 0; !happens(); waited += 20) {
    if (waited > 30_000) throw new Error('it did not happen within 30 seconds')
    await sleep(20)
  }
}

await onEachServer('streams', (start, { connector, name }) => {
  const never = new AbortController().signal
  const manyRows = async (rows: number, timeoutMs = 300_000) => {
    const { parameter } = await start()
    return callOf('many_rows', { parameters: [given(parameter('rows_wanted'), String(rows), 'integer')], timeoutMs })
  }

  /** Counts rows, and fails where one is not the next one. */
  const counting = (each: (rows: number) => void | Promise<void> = () => undefined) => {
    let count = 0
    const sink: CallSink = {
      columns: () => true,
      rows: (_set, cells, rows) => {
        if (rows > 2048 || cells.some((column) => column.length !== rows)) throw new Error('a batch has another size')
        for (let row = 0; row < rows; row++)
          if (cells[0]?.[row] !== String(++count)) throw new Error(`row ${count} is ${cells[0]?.[row]}`)
        return each(count)
      },
      message: () => undefined,
    }
    return { sink, count: () => count }
  }

  test('SR-13: 500,000 rows in flat memory', async () => {
    const { settings } = await start()
    await using connection = await connector.connect(settings, never)
    const warm = counting()
    await connection.call(await manyRows(20_000), warm.sink, never)
    globalThis.gc?.()
    const before = process.memoryUsage.rss()
    let highest = before
    const { sink, count } = counting(() => {
      highest = Math.max(highest, process.memoryUsage.rss())
    })
    const started = performance.now()
    const end = await connection.call(await manyRows(wanted), sink, never)
    const seconds = (performance.now() - started) / 1000
    console.log(
      `${name}: ${wanted} rows in ${seconds.toFixed(2)} s (${Math.round(wanted / seconds / 1000)}k rows/s); RSS ${Math.round(before / megabyte)} MB before, at most ${Math.round(highest / megabyte)} MB`,
    )
    expect(count()).toBe(wanted)
    expect(end.rows[0] ?? wanted).toBe(wanted)
    expect(highest - before).toBeLessThan(200 * megabyte)
  })

  test('SR-13: a sink that is slow makes the server wait', async () => {
    const { settings } = await start()
    const proxy = await startProxy(settings)
    await using connection = await connector.connect(proxy.through(settings), never)
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const { sink, count } = counting((rows) => (rows <= 2048 ? held : undefined))
    const call = connection.call(await manyRows(wanted), sink, never)
    await until(() => count() === 2048)
    let before: number
    // What the sockets hold still comes; then nothing more does.
    do {
      before = proxy.received()
      await sleep(700)
    } while (proxy.received() !== before)
    expect(count()).toBe(2048)
    release()
    await call
    expect(count()).toBe(wanted)
    expect(before).toBeLessThan(proxy.received() * 0.9)
    await proxy.stop()
  })

  test('a sink that fails ends the call with its own error, and the connection', async () => {
    const { settings } = await start()
    for (const late of [false, true]) {
      await using connection = await connector.connect(settings, never)
      const { sink } = counting((rows) => {
        if (rows < 10_000) return
        const full = new Error('the disk is full')
        if (!late) throw full
        return sleep(10).then(() => Promise.reject(full))
      })
      const error = await connection.call(await manyRows(wanted), sink, never).catch((error: unknown) => error)
      expect(`${error} ${(error as Error).cause}`).toContain('the disk is full')
      expect(connection.isUsable).toBe(false)
    }
  })

  test('a call that is cancelled between rows is dropped at once', async () => {
    const { settings } = await start()
    const proxy = await startProxy(settings)
    await using connection = await connector.connect(proxy.through(settings), never)
    const cancelling = new AbortController()
    const { sink, count } = counting((rows) => {
      if (rows > 20_000) cancelling.abort()
    })
    const error = await connection
      .call(await manyRows(wanted), sink, cancelling.signal)
      .catch((error: unknown) => error)
    expect(error).toMatchObject({ name: 'Connection.Cancelled', params: { procedure: 'many_rows' } })
    const rows = count()
    expect(connection.isUsable).toBe(false)
    await until(() => proxy.lines() === 0)
    await sleep(200)
    expect(count()).toBe(rows)
    expect(rows).toBeLessThan(wanted)
    await proxy.stop()
  })

  test('a call that is cancelled before it begins is not made', async () => {
    const { settings } = await start()
    await using connection = await connector.connect(settings, never)
    const { sink } = counting()
    const call = connection.call(await manyRows(1), sink, AbortSignal.abort())
    await expect(call).rejects.toMatchObject({ name: 'Connection.Cancelled' })
  })

  test('SR-01: a line that is cut after some rows is an error that may be repeated', async () => {
    const { settings } = await start()
    const proxy = await startProxy(settings)
    await using connection = await connector.connect(proxy.through(settings), never)
    proxy.cutAfter(3 * megabyte)
    const { sink, count } = counting()
    const error = await connection.call(await manyRows(wanted), sink, never).catch((error: unknown) => error)
    expect(error).toMatchObject({ name: 'Connection.Lost', retryable: true, params: { procedure: 'many_rows' } })
    expect(count()).toBeLessThan(wanted)
    expect(connection.isUsable).toBe(false)
    await proxy.stop()
  })
})

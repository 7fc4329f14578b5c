import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scriptedServer } from '../../../test/doubles/scripted-server.ts'
import type { ConnectionSettings } from '../../connections/connection.ts'
import { connectionPool } from './pool.ts'

const settings = {} as ConnectionSettings
const never = new AbortController().signal
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

test('never more connections than are allowed; usable ones are used again, others are not', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.record({ ms: fc.integer({ min: 0, max: 3 }), drops: fc.boolean(), fails: fc.boolean() }), {
        maxLength: 25,
      }),
      async (max, tasks) => {
        const server = scriptedServer()
        await using pool = connectionPool((signal) => server.connector.connect(settings, signal), max)
        const done = await Promise.allSettled(
          tasks.map(({ ms, drops, fails }) =>
            pool.use(never, async (connection) => {
              expect(connection.isUsable).toBe(true)
              await pause(ms)
              if (drops) await connection.close()
              if (fails) throw new TypeError('failed')
            }),
          ),
        )
        expect(done.map(({ status }) => status === 'rejected')).toEqual(tasks.map(({ fails }) => fails))
        expect(server.mostOpen).toBeLessThanOrEqual(max)
        expect(server.tried).toBeLessThanOrEqual(max + tasks.filter(({ drops }) => drops).length)
        await pool[Symbol.asyncDispose]()
        expect(server.open).toBe(0)
      },
    ),
    { numRuns: 40 },
  )
})

test('SR-10: logins come one after the other', async () => {
  let now = 0
  let most = 0
  const server = scriptedServer()
  await using pool = connectionPool(async (signal) => {
    most = Math.max(most, ++now)
    await pause(2)
    now--
    return server.connector.connect(settings, signal)
  }, 4)
  await Promise.all(Array.from({ length: 8 }, () => pool.use(never, () => pause(3))))
  expect(most).toBe(1)
  expect(server.mostOpen).toBe(4)
})

test('who waits for a connection can be cancelled, and takes no place', async () => {
  const server = scriptedServer()
  await using pool = connectionPool((signal) => server.connector.connect(settings, signal), 1)
  const abort = new AbortController()
  let release = (): void => {}
  const first = pool.use(never, () => new Promise<void>((done) => (release = done)))
  const second = pool.use(abort.signal, async () => 'second')
  const third = pool.use(never, async () => 'third')
  await pause(1)
  abort.abort(new TypeError('cancelled'))
  await expect(second).rejects.toThrow('cancelled')
  release()
  await first
  expect(await third).toBe('third')
})

/** Whom a slot that is made waits for. */
import { expect, test } from 'vitest'
import { openProject } from '../../src/run/project.ts'
import { startPostgres } from '../servers/postgres.ts'
import { cdcProject } from './project.ts'

test('a first run that waits for transactions of the server says whom it waits for, and for how long; cancelled, it ends', async () => {
  const server = await startPostgres({ walLevel: 'logical', settings: { max_prepared_transactions: '5' } })
  const client = await server.superuserClient()
  const other = await server.superuserClient()
  try {
    await client.query('CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION waits FOR TABLE t')
    await client.query("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'forgotten'")
    await other.query("SET application_name = 'report'; BEGIN; INSERT INTO t VALUES (2)")
    const root = cdcProject(server, 'postgres', ['public.t'], "slot: 'waits', publication: 'waits'")
    await using project = await openProject(root)
    const { findings } = await (await project.cdc('raw.shop')).status()
    expect(findings).toContainEqual(
      expect.objectContaining({ name: 'open transactions', detail: expect.stringContaining('"forgotten"') }),
    )
    const said: string[] = []
    const ended: string[] = []
    const run = (signal: AbortSignal) =>
      project.run({
        signal,
        onEvent: (event) => {
          if (event.type !== 'task.warning') return
          said.push(event.message)
          if (ended.length > 0) return
          if (/process \d+, .*report, .*idle in transaction, for \d+ s/.test(event.message)) {
            ended.push('report')
            void other.query('COMMIT')
          }
        },
      })
    // A run that is cancelled waits no longer.
    const cancelled = new AbortController()
    await project
      .run({ signal: cancelled.signal, onEvent: ({ type }) => type === 'task.warning' && cancelled.abort() })
      .catch(() => undefined)
    expect(cancelled.signal.aborted).toBe(true)
    const going = run(new AbortController().signal)
    await expect
      .poll(() => said.join('\n'), { timeout: 30_000 })
      .toMatch(/the prepared transaction "forgotten" of .*, for \d+ s/)
    expect(said[0]).toMatch(/^the slot "waits" waits, for \d+ s now/)
    await client.query("COMMIT PREPARED 'forgotten'")
    expect((await going).summary.status).toBe('succeeded')
    expect(ended).toEqual(['report'])
  } finally {
    await client.end()
    await other.end()
    await server.stop()
  }
})

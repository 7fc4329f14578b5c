/**
 * Who keeps a slot from being made. A slot begins where every transaction has ended that was open when it was asked for, of any database of the
 * server, the prepared ones included: that may be never, and the server says nothing of it.
 */
import type pg from 'pg'
import type { Clock } from '../../base/clock.ts'
import { dropPostgres } from '../../connections/postgres/connect.ts'
import { type CreatedSlot, createSlot } from './wire/stream.ts'

/** How a slot is made. */
export interface SlotRequest {
  /** For questions, while the other one waits. */
  readonly client: pg.Client
  readonly walsender: pg.Client
  readonly slot: string
  readonly connection: string
  readonly temporary?: boolean
  /** Whether standbys take it over. @default false */
  readonly failover?: boolean
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Called while it lasts, ever less often. */
  readonly warn: (message: string) => void
}

/** The first pause between two words, which doubles up to the last. */
const [firstMs, lastMs] = [2000, 60_000]

/**
 * Makes a slot, and says whom it waits for and for how long.
 *
 * @example const slot = await createSlotAloud({ client, walsender, slot, connection, clock, signal, warn })
 * @throws Source.StreamRefused
 */
export async function createSlotAloud(request: SlotRequest): Promise<CreatedSlot> {
  const { client, walsender, slot, connection, temporary = false, failover = false, clock, signal, warn } = request
  const made = new AbortController()
  // A process of the server that waits does not notice that its client has gone, and would hold the slot.
  const stop = (): void =>
    void client
      .query('SELECT pg_terminate_backend($1::int)', [processOf(walsender)])
      .catch(() => undefined)
      .finally(() => dropPostgres(walsender))
  signal.addEventListener('abort', stop, { once: true })
  const telling = tell()
  try {
    return await createSlot(walsender, slot, connection, { temporary, failover })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
    made.abort()
    await telling
  }

  async function tell(): Promise<void> {
    const began = clock.now().getTime()
    for (let pause = firstMs; ; pause = Math.min(lastMs, 2 * pause)) {
      await clock.sleep(pause, made.signal).catch(() => undefined)
      if (made.signal.aborted) return
      // What cannot be said must not end what is waited for.
      const whom = await blockers(client, walsender).catch(() => [])
      if (made.signal.aborted) return
      const seconds = Math.round((clock.now().getTime() - began) / 1000)
      const of = whom.length === 0 ? 'the server does not say for whom' : whom.join('; ')
      warn(`the slot "${slot}" waits, for ${seconds} s now, for transactions that were open before it: ${of}`)
    }
  }
}

const prepared = `SELECT format('the prepared transaction "%s" of %s in %s, for %s s', gid, owner, database, extract(epoch FROM clock_timestamp() - prepared)::int) AS who
  FROM pg_prepared_xacts`

/** What is hidden from this user is left out. */
const sessionWords = `concat_ws(', ', format('process %s', a.pid), 'user ' || a.usename, nullif(a.application_name, ''), 'in ' || a.datname, a.state,
    'for ' || extract(epoch FROM clock_timestamp() - a.xact_start)::int || ' s') AS who`

const processOf = (client: pg.Client): number => (client as unknown as { readonly processID: number }).processID

async function blockers(client: pg.Client, walsender: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ who: string }>(
    `SELECT ${sessionWords} FROM pg_stat_activity a WHERE a.pid = ANY (pg_blocking_pids($1::int))
     UNION ALL (${prepared} WHERE 0 = ANY (pg_blocking_pids($1::int)) ORDER BY prepared)`,
    [processOf(walsender)],
  )
  return rows.map(({ who }) => who)
}

/**
 * Transactions that a new slot would wait for: prepared ones, and those that are open for a minute or more.
 *
 * @example await openTransactions(client) // ['the prepared transaction "x" of app in erp, for 340 s']
 */
export async function openTransactions(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ who: string }>(
    `SELECT ${sessionWords} FROM pg_stat_activity a
       WHERE a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid() AND a.xact_start < clock_timestamp() - interval '1 minute'
     UNION ALL (${prepared} ORDER BY prepared)`,
  )
  return rows.map(({ who }) => who)
}

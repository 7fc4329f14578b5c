/** What every call has around it: a time limit, a cancellation that drops the connection, messages, and errors of the registry. */
import type pg from 'pg'
import { systemClock } from '../../base/clock.ts'
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import type { CallSink, ConnectionSettings, ProcedureCall } from '../connection.ts'
import { dropPostgres, freshSession, isPooled } from './connect.ts'
import { callError, sqlState } from './errors.ts'
import { beginSettled } from './settled.ts'

/** An open connection. */
export interface Session {
  readonly client: pg.Client
  readonly settings: ConnectionSettings
}

/** How far a call has come. */
export interface Progress {
  rows: number
  /** Hands something to the sink; what the sink throws ends the call as it is. */
  sink<T>(give: () => T): T
}

/**
 * Begins or ends the transaction that a part of a call needs. Behind a pooler the call is one from its beginning to its end.
 *
 * @example await transaction(client, 'BEGIN')
 */
export async function transaction(client: pg.Client, command: 'BEGIN' | 'COMMIT' | 'ROLLBACK'): Promise<void> {
  if (!isPooled(client)) await client.query(command)
}

/**
 * Runs a call's work. When the signal aborts, the time is over, the sink throws, or the connection breaks, the connection is dropped; after an error of
 * the server's the transaction is rolled back, and the connection can be used again. Behind a pooler all of it is one transaction with its own settings.
 */
export async function guarded<T>(
  { client, settings }: Session,
  call: Pick<ProcedureCall, 'procedure' | 'timeoutMs'>,
  sink: Pick<CallSink, 'message'>,
  signal: AbortSignal,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  const { procedure, timeoutMs } = call
  if (signal.aborted) throw sluiceError('Connection.Cancelled', { procedure, rows: 0 })
  let dropped: 'cancelled' | 'late' | undefined
  let refused: { readonly error: unknown } | undefined
  const drop = (why: typeof dropped): void => {
    dropped ??= why
    dropPostgres(client)
  }
  const refuse = (error: unknown): never => {
    refused ??= { error }
    throw error
  }
  const progress: Progress = {
    rows: 0,
    sink(give) {
      try {
        const given = give()
        return (given instanceof Promise ? given.catch(refuse) : given) as typeof given
      } catch (error) {
        return refuse(error)
      }
    },
  }
  const notice = (said: {
    message?: string | undefined
    code?: string | undefined
    severity?: string | undefined
  }): void => {
    const { message = '', code = '', severity } = said
    try {
      // The class of warnings is 01; the word beside it may be in any language.
      const warning = severity === 'WARNING' || code.startsWith('01')
      progress.sink(() => sink.message({ text: message, code, severity: warning ? 10 : 0 }))
    } catch {
      dropPostgres(client)
    }
  }
  const over = new AbortController()
  const cancel = (): void => drop('cancelled')
  signal.addEventListener('abort', cancel)
  client.on('notice', notice)
  void systemClock.sleep(timeoutMs, over.signal).then(() => over.signal.aborted || drop('late'))
  try {
    // The server's own limit is behind ours: it ends what goes on there when nobody is left to tell.
    const limitMs = timeoutMs + 1000
    if (!isPooled(client)) {
      await freshSession(client, limitMs)
      return await work(progress)
    }
    const also = { statement_timeout: String(Math.round(limitMs)), client_connection_check_interval: '1s' }
    await beginSettled(client, { connection: settings.name, also })
    const done = await work(progress)
    await client.query('COMMIT')
    return done
  } catch (error) {
    client.off('notice', notice)
    // What the server said no to, and what was refused before it was asked, leaves the connection as it was.
    const isClean = sqlState(error) !== undefined || (isSluiceError(error) && error.name !== 'Connection.Protocol')
    if (isClean && refused === undefined && dropped === undefined)
      await client.query('ROLLBACK').catch(() => dropPostgres(client))
    else dropPostgres(client)
    if (refused) throw refused.error
    const { rows } = progress
    if (isPooled(client) && sqlState(error) === '2D000')
      throw sluiceError(
        'Connection.Pooled',
        { connection: settings.name, what: `${procedure} ends transactions itself` },
        { cause: error },
      )
    if (dropped === 'cancelled') throw sluiceError('Connection.Cancelled', { procedure, rows }, { cause: error })
    if (dropped === 'late')
      throw sluiceError(
        'Connection.Timeout',
        { procedure, seconds: Math.round(timeoutMs / 1000), rows },
        { cause: error },
      )
    throw callError(error, { settings, procedure, rows })
  } finally {
    over.abort()
    signal.removeEventListener('abort', cancel)
    client.off('notice', notice)
  }
}

/** What a procedure leaves in its session (settings, locks, temporary tables) is not handed to the next call (fault SR-14). */
import { sluiceError } from '../../base/errors.ts'
import type { ProcedureCall } from '../connection.ts'
import type { OpenConnection } from './connect.ts'
import { lostError } from './errors.ts'

/**
 * Makes the session as it was after the login: the server's own reset (MS-TDS 2.2.3.1.2, RESETCONNECTION), on the driver's fixed settings.
 *
 * @throws Connection.Cancelled, Connection.Lost (transient): the connection is then dropped
 */
export async function resetSession(open: OpenConnection, call: ProcedureCall, signal: AbortSignal): Promise<void> {
  const { procedure, timeoutMs } = call
  const end = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
  const drop = () => open.drop()
  if (end.aborted) drop()
  end.addEventListener('abort', drop, { once: true })
  let refusal: string | undefined
  open.answerTo({
    columns: () => false,
    rows() {},
    word(word, isError) {
      if (isError) refusal ??= word.text
    },
    done() {},
    returnCode() {},
    output() {},
    transaction() {},
    lastWord() {},
    failed: drop,
  })
  const error = await new Promise<unknown>((resolve) => open.driver.reset(resolve))
  end.removeEventListener('abort', drop)
  if (signal.aborted) throw sluiceError('Connection.Cancelled', { procedure, rows: 0 })
  if (refusal === undefined && open.isUsable) return
  drop()
  throw lostError(error ?? refusal, open.settings, procedure, 0)
}

/** Calls a procedure: one remote procedure call, of a checked name and typed values. No text of SQL has a way through here. */
import type { Request as DriverRequest } from 'tedious'
import { type SluiceError, sluiceError } from '../../base/errors.ts'
import type { CallEnd, CallSink, Cell, ProcedureCall } from '../connection.ts'
import type { OpenConnection } from './connect.ts'
import { callError, lostError } from './errors.ts'
import { procedureName } from './names.ts'
import { bindParameters } from './parameters.ts'
import type { AnswerSink, ServerWord } from './tokens.ts'

/** The lowest class of an error; what is below informs. */
const errorClass = 11
/** Errors of this class and above end the connection. */
const fatalClass = 20

/** What has come of a call so far. */
interface Progress {
  readonly counts: (number | null)[]
  readonly errors: ServerWord[]
  readonly output: Record<string, Cell>
  rows: number
  /** Whether the current set's end is still to come. */
  setOpen: boolean
  inTransaction: boolean
  returnCode: number | undefined
  last: 'none' | 'good' | 'failed'
}

/**
 * Calls a procedure, and resolves after its last word.
 *
 * @throws what {@link Connection.call} throws
 */
export async function callProcedure(
  open: OpenConnection,
  call: ProcedureCall,
  sink: CallSink,
  signal: AbortSignal,
): Promise<CallEnd> {
  const { procedure } = call
  const name = procedureName(procedure)
  const progress: Progress = {
    counts: [],
    errors: [],
    output: {},
    rows: 0,
    setOpen: false,
    inTransaction: false,
    returnCode: undefined,
    last: 'none',
  }
  if (signal.aborted) throw sluiceError('Connection.Cancelled', { procedure, rows: 0 })
  return await new Promise<CallEnd>((resolve, reject) => {
    const fail = (error: unknown) => {
      finish()
      answer.stop()
      // Before the driver says that the connection was closed.
      reject(error)
      open.drop()
    }
    const rowsSoFar = () => progress.rows + answer.heldRows()
    const onAbort = () => fail(sluiceError('Connection.Cancelled', { procedure, rows: rowsSoFar() }))
    const timer = setTimeout(() => {
      const seconds = Math.round(call.timeoutMs / 1000)
      fail(sluiceError('Connection.Timeout', { procedure, seconds, rows: rowsSoFar() }))
    }, call.timeoutMs)
    const finish = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    const answer = open.answerTo(answerSink(progress, sink, fail))
    const request: DriverRequest = new open.tedious.Request(name, (error: unknown) => {
      finish()
      progress.rows = rowsSoFar()
      // A batch may still be in the sink's hands when the connection is lost.
      answer.stop()
      const end = ending(open, call, progress, error)
      if (end.error !== undefined) {
        if (end.drop) open.drop()
        reject(end.error)
      } else resolve(end.good)
      // Whoever comes next must not work inside it; the server rolls it back.
      if (progress.inTransaction) open.drop()
    })
    try {
      bindParameters(request, call, open.tedious.TYPES)
      open.driver.callProcedure(request)
    } catch (error) {
      fail(error)
    }
  })
}

function answerSink(progress: Progress, sink: CallSink, fail: (error: unknown) => void): AnswerSink {
  return {
    columns(columns) {
      progress.counts.push(null)
      progress.setOpen = true
      return sink.columns(progress.counts.length, columns)
    },
    rows(cells, rows) {
      progress.rows += rows
      return sink.rows(progress.counts.length, cells, rows)
    },
    word(word, isError) {
      if (isError || word.class >= errorClass) progress.errors.push(word)
      else sink.message({ text: word.text, code: String(word.number), severity: word.class })
    },
    done(count) {
      if (!progress.setOpen) return
      progress.counts[progress.counts.length - 1] = count
      progress.setOpen = false
    },
    returnCode(code) {
      progress.returnCode = code
    },
    output(name, value) {
      progress.output[name.toLowerCase()] = value
    },
    transaction(isOpen) {
      progress.inTransaction = isOpen
    },
    lastWord(failed) {
      progress.last = failed ? 'failed' : 'good'
    },
    failed: fail,
  }
}

type Ending =
  | { readonly error: SluiceError; readonly drop: boolean }
  | { readonly error?: undefined; readonly good: CallEnd }

/** What a call comes to, when the driver is done with it. */
function ending(open: OpenConnection, call: ProcedureCall, progress: Progress, error: unknown): Ending {
  const { settings } = open
  const { errors, rows } = progress
  const isOver = progress.last !== 'none' && (error === null || error === undefined)
  if (errors.length > 0) {
    const drop = !isOver || errors.some((e) => e.class >= fatalClass)
    return { error: callError(errors, settings, call.procedure, rows), drop }
  }
  if (!isOver && error !== null && error !== undefined)
    return { error: lostError(error, settings, call.procedure, rows), drop: true }
  if (!isOver) return { error: protocol(settings.name, 'its answer ended without a last word'), drop: true }
  if (progress.last === 'failed')
    return { error: protocol(settings.name, 'it reports an error, and none was sent'), drop: true }
  const output: Record<string, Cell> = {}
  for (const { name } of call.output) {
    const value = progress.output[name.toLowerCase()]
    if (value === undefined)
      return { error: protocol(settings.name, `the output parameter "${name}" did not come back`), drop: true }
    output[name] = value
  }
  const { returnCode } = progress
  return { good: { rows: progress.counts, output, ...(returnCode === undefined ? {} : { returnCode }) } }
}

const protocol = (connection: string, why: string) => sluiceError('Connection.Protocol', { connection, why })

/** A connection from which nothing comes that its password could stand in: servers and drivers may repeat what they were given (P17). */
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import type { CallSink, Connection } from '../../connections/connection.ts'

type Redact = (text: string) => string

/**
 * Opens a connection whose messages and errors, also those of its opening, are masked.
 *
 * @example await maskedConnection(() => connector.connect(settings, signal), redactor([settings.password]))
 */
export async function maskedConnection(open: () => Promise<Connection>, redact: Redact): Promise<Connection> {
  const masked = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => Promise.reject(maskedError(error, redact)))
  const message: (sink: Pick<CallSink, 'message'>) => CallSink['message'] = (sink) => (said) =>
    sink.message({ ...said, text: redact(said.text) })
  const connection = await masked(open())
  const copy = connection.copy?.bind(connection)
  return {
    server: connection.server,
    get isUsable() {
      return connection.isUsable
    },
    call: (call, sink, signal) =>
      masked(
        connection.call(
          call,
          {
            columns: (set, columns) => sink.columns(set, columns),
            rows: (set, cells, rows) => sink.rows(set, cells, rows),
            message: message(sink),
          },
          signal,
        ),
      ),
    ...(copy && {
      copy: (call, localFile, sink, signal) =>
        masked(
          copy(
            call,
            localFile,
            { columns: (set, columns) => sink.columns(set, columns), message: message(sink) },
            signal,
          ),
        ),
    }),
    describe: (name) => masked(connection.describe(name)),
    close: () => connection.close(),
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  }
}

/** The same error with its values masked, where it needs that; without its cause, whose texts are not ours. */
export function maskedError(error: unknown, redact: Redact): unknown {
  if (!isSluiceError(error) || redact(error.message) === error.message) return error
  return sluiceError(error.name as never, maskedValue(error.params, redact) as never)
}

/** Values alone: a password may be a number, or a name that an error has for one of its values. */
function maskedValue(value: unknown, redact: Redact): unknown {
  if (Array.isArray(value)) return value.map((one) => maskedValue(one, redact))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, maskedValue(one, redact)]))
  const text = String(value)
  return redact(text) === text ? value : redact(text)
}

/** A bounded number of connections to one server, shared by all tasks of a run. */
import { turns } from '../../base/queue.ts'
import type { Connection } from '../../connections/connection.ts'

/** Connections of one name. */
export interface ConnectionPool extends AsyncDisposable {
  /** Connections at a time. */
  readonly max: number
  /**
   * Hands a connection to `work`, and keeps it for the next where it is still usable. Waits while all are in use; logins happen one after the
   * other, so that a wrong password is tried once and not once a task.
   */
  use<T>(signal: AbortSignal, work: (connection: Connection) => Promise<T>): Promise<T>
}

/**
 * Opens a pool; nothing is connected yet.
 *
 * @example const pool = connectionPool((signal) => connector.connect(settings, signal), 4)
 * @param max connections at a time
 */
export function connectionPool(open: (signal: AbortSignal) => Promise<Connection>, max: number): ConnectionPool {
  const idle: Connection[] = []
  const waiting: (() => void)[] = []
  let places = max
  const login = turns()

  const enter = async (signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted()
    if (places > 0) {
      places--
      return
    }
    await new Promise<void>((resolve, reject) => {
      const turn = (): void => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        waiting.splice(waiting.indexOf(turn), 1)
        reject(signal.reason)
      }
      waiting.push(turn)
      signal.addEventListener('abort', leave, { once: true })
    })
  }
  const exit = (): void => {
    const next = waiting.shift()
    if (next === undefined) places++
    else next()
  }
  const connect = (signal: AbortSignal): Promise<Connection> =>
    login(async () => {
      signal.throwIfAborted()
      return open(signal)
    })
  const takeIdle = async (): Promise<Connection | undefined> => {
    for (let found = idle.pop(); found !== undefined; found = idle.pop()) {
      if (found.isUsable) return found
      await dismiss(found)
    }
    return undefined
  }

  return {
    max,
    async use(signal, work) {
      await enter(signal)
      try {
        const connection = (await takeIdle()) ?? (await connect(signal))
        try {
          return await work(connection)
        } finally {
          if (connection.isUsable) idle.push(connection)
          else await dismiss(connection)
        }
      } finally {
        exit()
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(idle.splice(0).map(dismiss))
    },
  }
}

/** A connection that cannot be closed is gone as well. */
async function dismiss(connection: Connection): Promise<void> {
  await connection.close().catch(() => {})
}

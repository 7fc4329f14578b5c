/**
 * Exchanges with the server in the extended query protocol, row batch by row batch.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
 *
 * The driver's own queries keep all rows, and parameter types cannot be given to them. Here rows are gathered into batches of bounded rows and bytes;
 * while two of them wait for the sink the socket is not read, and so the server waits, too: memory stays flat on both sides. A cursor that a procedure
 * opened is a portal as well.
 */
import type pg from 'pg'
import type { Cell } from '../connection.ts'

/** A column as the server describes it. */
export interface Field {
  readonly name: string
  readonly dataTypeID: number
  readonly dataTypeModifier: number
}

/** A statement with its values as text; `types` are the parameters' type oids, 0 for "as the server finds". */
export interface Statement {
  readonly text: string
  readonly types: readonly number[]
  readonly values: readonly (string | null)[]
}

/** A batch of rows, column by column. */
export type Batch = (cells: readonly (readonly Cell[])[], rows: number) => void | Promise<void>

/** A batch is full with so many rows, or bytes. */
const batchRows = 2048
const batchBytes = 4 << 20

/** The part of the driver's connection that is used; its published types have other signatures. */
interface Wire {
  readonly stream: { cork(): void; uncork(): void; pause(): void; resume(): void }
  parse(message: { name?: string; text: string; types: readonly number[] }): void
  bind(message: { portal?: string; values: readonly (string | null)[] }): void
  describe(message: { type: 'S' | 'P'; name?: string }): void
  execute(message: { portal?: string; rows: number }): void
  sync(): void
}

/** What an exchange sends, always up to a Sync, and what it does with the answers. */
interface Exchange {
  readonly start: (wire: Wire) => void
  readonly row?: (fields: readonly Cell[], bytes: number, fail: (error: unknown) => void) => void
  readonly complete?: (tag: string) => void
}

/** One exchange, from its first message to ReadyForQuery. @returns the columns, where the server described some */
function exchange(client: pg.Client, { start, row, complete }: Exchange): Promise<readonly Field[]> {
  return new Promise((resolve, reject) => {
    let fields: readonly Field[] = []
    client.query({
      submit(connection: unknown) {
        const wire = connection as Wire
        wire.stream.cork()
        start(wire)
        wire.sync()
        wire.stream.uncork()
      },
      handleRowDescription: (message: { fields: readonly Field[] }) => {
        fields = message.fields
      },
      handleDataRow: (message: { fields: readonly Cell[]; length: number }) =>
        row?.(message.fields, message.length, reject),
      handleCommandComplete: (message: { text: string }) => complete?.(message.text),
      handleEmptyQuery: () => undefined,
      handleError: reject,
      handleReadyForQuery: () => resolve(fields),
    } as never)
  })
}

/**
 * The columns of a statement, which is only parsed: nothing is run.
 *
 * @example await describeStatement(client, { text: 'SELECT * FROM "erp"."f"($1)', types: [23], values: [] })
 */
export function describeStatement(client: pg.Client, statement: Statement): Promise<readonly Field[]> {
  return exchange(client, {
    start(wire) {
      wire.parse(statement)
      wire.describe({ type: 'S' })
    },
  })
}

/**
 * Runs a statement of few rows at once.
 *
 * @example const { rows } = await runStatement(client, { text: 'SELECT $1', types: [25], values: ['x'] })
 */
export async function runStatement(
  client: pg.Client,
  statement: Statement,
): Promise<{ fields: readonly Field[]; rows: readonly (readonly Cell[])[] }> {
  const rows: (readonly Cell[])[] = []
  const fields = await exchange(client, {
    row: (cells) => void rows.push(cells),
    start(wire) {
      wire.parse(statement)
      wire.bind({ values: statement.values })
      wire.describe({ type: 'P' })
      wire.execute({ rows: 0 })
    },
  })
  return { fields, rows }
}

/**
 * Opens a portal inside of a transaction, without a row read. @returns its columns
 *
 * @example await openPortal(client, 'sluice_call', statement)
 */
export function openPortal(client: pg.Client, portal: string, statement: Statement): Promise<readonly Field[]> {
  return exchange(client, {
    start(wire) {
      wire.parse(statement)
      wire.bind({ portal, values: statement.values })
      wire.describe({ type: 'P', name: portal })
    },
  })
}

/**
 * The columns of a cursor that is open in the transaction.
 *
 * @example await describePortal(client, '<unnamed portal 1>')
 */
export function describePortal(client: pg.Client, portal: string): Promise<readonly Field[]> {
  return exchange(client, {
    start(wire) {
      wire.describe({ type: 'P', name: portal })
    },
  })
}

/**
 * Reads a portal to its end. One batch is with the sink while the next one arrives.
 *
 * @param width the number of columns that are kept; 0 only counts
 * @param count called with the rows of each batch as it has arrived
 * @returns the rows, as the server counted them
 * @throws whatever `batch` throws: the connection is then in the middle of the rows, and has to be dropped
 */
export async function readPortal(
  client: pg.Client,
  portal: string,
  width: number,
  batch: Batch,
  count: (rows: number) => void,
): Promise<number> {
  const { stream } = client.connection
  const fresh = (): Cell[][] => Array.from({ length: width }, () => [])
  let [cells, rows, bytes, announced, waiting, isOpen] = [fresh(), 0, 0, 0, 0, true]
  let taken = Promise.resolve()
  const hand = (fail: (error: unknown) => void): void => {
    const [given, size] = [cells, rows]
    cells = fresh()
    rows = 0
    bytes = 0
    count(size)
    if (++waiting > 1) stream.pause()
    taken = taken
      .then(() => (isOpen ? batch(given, size) : undefined))
      .then(() => {
        if (--waiting < 2) stream.resume()
      })
    taken.catch(fail)
  }
  try {
    await exchange(client, {
      start: (wire) => wire.execute({ portal, rows: 0 }),
      row(values, length, fail) {
        for (let column = 0; column < width; column++) cells[column]?.push(values[column] as Cell)
        bytes += length
        if (++rows === batchRows || bytes >= batchBytes) hand(fail)
      },
      complete(tag) {
        announced = Number(tag.slice(tag.lastIndexOf(' ') + 1))
      },
    })
    if (rows > 0) hand(() => undefined)
    await taken
    return announced
  } finally {
    // When the call is over, the sink is at rest.
    isOpen = false
    await taken
  }
}

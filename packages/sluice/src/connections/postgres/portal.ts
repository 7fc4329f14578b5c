/**
 * Exchanges with the server in the extended query protocol, row batch by row batch.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
 *
 * The driver's own queries keep all rows, and its parameter types cannot be given. A portal here is asked for a batch at a time, and the next batch
 * is asked for when the one before has been taken: so memory stays flat, and the server works while the sink does. A cursor that a procedure opened
 * is a portal, too.
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

/** Rows of one batch. */
export const batchRows = 2048

/** The part of the driver's connection that is used; its published types have other signatures. */
interface Wire {
  readonly stream: { cork(): void; uncork(): void }
  parse(message: { name?: string; text: string; types: readonly number[] }): void
  bind(message: { portal?: string; values: readonly (string | null)[] }): void
  describe(message: { type: 'S' | 'P'; name?: string }): void
  execute(message: { portal?: string; rows: number }): void
  flush(): void
  sync(): void
}

/** What the driver calls while an exchange is the active one. */
interface Exchange {
  readonly start: (wire: Wire) => void
  readonly row?: (fields: readonly Cell[]) => void
  readonly suspended?: (wire: Wire, fail: (error: unknown) => void) => void
  readonly complete?: (tag: string, wire: Wire) => void
  /** Whether a Sync is still due when the server reports an error. */
  readonly synced: () => boolean
}

/** One exchange, from its first message to ReadyForQuery. @returns the columns, where the server described some */
function exchange(client: pg.Client, { start, row, suspended, complete, synced }: Exchange): Promise<readonly Field[]> {
  return new Promise((resolve, reject) => {
    let fields: readonly Field[] = []
    client.query({
      submit(connection: unknown) {
        const wire = connection as Wire
        wire.stream.cork()
        try {
          start(wire)
        } finally {
          wire.stream.uncork()
        }
      },
      handleRowDescription: (message: { fields: readonly Field[] }) => {
        fields = message.fields
      },
      handleDataRow: (message: { fields: readonly Cell[] }) => row?.(message.fields),
      handlePortalSuspended: (wire: Wire) => suspended?.(wire, reject),
      handleCommandComplete: (message: { text: string }, wire: Wire) => complete?.(message.text, wire),
      handleEmptyQuery: () => undefined,
      handleError: (error: unknown, wire: Wire) => {
        if (!synced()) wire.sync()
        reject(error)
      },
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
    synced: () => true,
    start(wire) {
      wire.parse(statement)
      wire.describe({ type: 'S' })
      wire.sync()
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
    synced: () => true,
    row: (cells) => void rows.push(cells),
    start(wire) {
      wire.parse(statement)
      wire.bind({ values: statement.values })
      wire.describe({ type: 'P' })
      wire.execute({ rows: 0 })
      wire.sync()
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
    synced: () => true,
    start(wire) {
      wire.parse(statement)
      wire.bind({ portal, values: statement.values })
      wire.describe({ type: 'P', name: portal })
      wire.sync()
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
    synced: () => true,
    start(wire) {
      wire.describe({ type: 'P', name: portal })
      wire.sync()
    },
  })
}

/**
 * Reads a portal to its end. One batch is with the sink while the next one arrives, and no more.
 *
 * @param width the number of columns
 * @param count called as a batch arrives, with its rows and how many the server announced
 * @returns the rows, as the server counted them
 * @throws whatever `batch` and `count` throw: the portal is then left as it is, and the connection is to be dropped
 */
export async function readPortal(
  client: pg.Client,
  portal: string,
  width: number,
  batch: Batch,
  count: (rows: number, announced: number) => void,
): Promise<number> {
  const fresh = (): Cell[][] => Array.from({ length: width }, () => [])
  let [cells, rows, total, synced, isOpen] = [fresh(), 0, 0, false, true]
  let taken = Promise.resolve()
  let last: Promise<void> | undefined
  const ask = (wire: Wire): void => {
    wire.execute({ portal, rows: batchRows })
    wire.flush()
  }
  const give = async (announced: number): Promise<void> => {
    const [given, size] = [cells, rows]
    cells = fresh()
    rows = 0
    total += size
    count(size, announced)
    await taken
    if (size > 0 && isOpen) taken = Promise.resolve(batch(given, size))
    // It is awaited with the next batch; until then its rejection must not end the process.
    taken.catch(() => undefined)
  }
  const ended = exchange(client, {
    start: ask,
    synced: () => synced,
    row(values) {
      for (let column = 0; column < width; column++) cells[column]?.push(values[column] as Cell)
      rows++
    },
    suspended: (wire, fail) => void give(batchRows).then(() => ask(wire), fail),
    complete(tag, wire) {
      wire.sync()
      synced = true
      last = give(Number(tag.slice(tag.lastIndexOf(' ') + 1)))
      last.catch(() => undefined)
    },
  })
  try {
    await ended
    await last
  } finally {
    // When the call is over, the sink is at rest.
    isOpen = false
    await taken
  }
  return total
}

/** Rows from a connection to Parquet: gathered as text, scanned in parts, in memory that does not grow with the result. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Turn } from '../../base/queue.ts'
import type { Cell } from '../../connections/connection.ts'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import { type Scanner, stagedSql, stagingSql } from './scan.ts'

/** Rows, or UTF-16 units of text, that make a part: one Parquet file. */
const part = { rows: 204_800, units: 64 * 1024 * 1024 }
/** What is taken from the driver while a part is being written; beyond, the driver waits. */
const ahead = { rows: 32_768, units: 16 * 1024 * 1024 }

let stages = 0

/** Where the rows of one result set go. */
export interface Stage {
  /** Takes rows of declared columns over; a promise asks the driver to wait. */
  add(columns: readonly (readonly Cell[])[], rows: number): void | Promise<void>
  /** Writes what is left. */
  finish(): Promise<StagedRows>
  /** Gives everything up, and waits for what is being written: nothing may run in a session that is closed next. */
  abandon(): Promise<void>
}

/** What was staged. */
export interface StagedRows {
  readonly files: readonly WrittenFile[]
  readonly rows: number
  /** UTF-16 units of text. */
  readonly units: number
}

interface Batch {
  readonly columns: readonly (readonly Cell[])[]
  readonly rows: number
  readonly units: number
}

/** What the rows of a stage have in common. */
export interface StageOptions {
  readonly session: Session
  /** Work in the session, which stages share. */
  readonly inTurn: Turn
  readonly scanner: Scanner
  /** An empty local folder. */
  readonly folder: string
  /** The call, as quarantine names it. */
  readonly call: string
  readonly columns: number
  /** Texts that every row has, after its own. */
  readonly constants: readonly string[]
}

/**
 * Opens a stage.
 *
 * @example
 * const stage = openStage({ session, scanner, folder, call: 'dbo.usp_sales', columns: 3, constants: [] })
 * stage.add([['1'], ['a'], [null]], 1)
 * const { files, rows } = await stage.finish()
 */
export function openStage(options: StageOptions): Stage {
  const { session, inTurn, scanner, columns } = options
  const table = `_sluice_staged_${stages++}`
  const queue: Batch[] = []
  const waiting = { rows: 0, units: 0 }
  const staged = { rows: 0, units: 0 }
  const total = { rows: 0, units: 0 }
  const files: WrittenFile[] = []
  let isOpen = false
  let parts = 0
  let failure: { readonly error: unknown } | undefined
  let isWorking = false
  let done = Promise.resolve()

  const writePart = async (): Promise<void> => {
    const folder = join(options.folder, `part-${parts++}`)
    mkdirSync(folder, { recursive: true })
    const relation = stagedSql(table, columns, options.constants)
    files.push(...(await scanner.scan(relation, options.call, folder)))
    isOpen = false
    add(total, staged)
    staged.rows = staged.units = 0
  }
  const stageBatch = async (batch: Batch): Promise<void> => {
    if (!isOpen) await session.run(stagingSql(table, columns))
    isOpen = true
    const before = total.rows + staged.rows + 1
    const numbers = BigInt64Array.from({ length: batch.rows }, (_, row) => BigInt(before + row))
    session.append(table, [...batch.columns, numbers], batch.rows)
    add(staged, batch)
    if (staged.rows >= part.rows || staged.units >= part.units) await writePart()
  }
  const work = async (): Promise<void> => {
    try {
      for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) {
        add(waiting, batch, -1)
        await inTurn(() => stageBatch(batch))
      }
    } catch (error) {
      failure ??= { error }
    } finally {
      isWorking = false
    }
  }
  const throwFailure = (): void => {
    if (failure !== undefined) throw failure.error
  }

  return {
    add(texts, rows) {
      throwFailure()
      const batch = { columns: texts, rows, units: unitsOf(texts, rows) }
      queue.push(batch)
      add(waiting, batch)
      if (!isWorking) {
        isWorking = true
        done = work()
      }
      if (waiting.rows < ahead.rows && waiting.units < ahead.units) return
      return done.then(throwFailure)
    },
    async abandon() {
      queue.length = 0
      await done
    },
    async finish() {
      await done
      throwFailure()
      await inTurn(async () => {
        if (isOpen) await writePart()
        await session.run(`DROP TABLE IF EXISTS ${table}`)
      })
      return { files: files.filter(({ rows }) => rows > 0), ...total }
    },
  }
}

function add(
  sum: { rows: number; units: number },
  { rows, units }: { readonly rows: number; readonly units: number },
  sign = 1,
): void {
  sum.rows += sign * rows
  sum.units += sign * units
}

function unitsOf(columns: readonly (readonly Cell[])[], rows: number): number {
  let units = 0
  for (const texts of columns) for (let row = 0; row < rows; row++) units += texts[row]?.length ?? 0
  return units
}

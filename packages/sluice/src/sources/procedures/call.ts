/** One call: its columns against the contract before a row, its rows to Parquet, and its end against everything that was declared of it. */
import { mkdirSync } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { assert, sluiceError } from '../../base/errors.ts'
import type { Turn } from '../../base/queue.ts'
import type {
  CallEnd,
  CallSink,
  Cell,
  Connection,
  ProcedureCall,
  ResultColumn,
  ServerMessage,
} from '../../connections/connection.ts'
import type { ProcedureSource } from '../../definition/types.ts'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import type { QuarantineWriter } from '../../quality/quarantine.ts'
import { differencesText, isTaken, matchContract } from './contract.ts'
import { copiedSql, longestLine, longestRecord } from './copied.ts'
import { type KeptCalls, keepCall, keptCall, keptSql, untaken, usingSet } from './kept.ts'
import type { FrozenCall } from './parameters.ts'
import type { Scanner } from './scan.ts'
import { openStage, type Stage } from './stage.ts'

/** What calls of one source share. */
export interface CallContext {
  readonly source: ProcedureSource
  readonly session: Session
  /** Work in the session, which calls side by side share. */
  readonly inTurn: Turn
  readonly scanner: Scanner
  readonly quarantine: QuarantineWriter
  /** Result sets of the same call that other sources take. */
  readonly otherSets: ReadonlySet<number>
  /** Where several tables of the run take their sets from one call. */
  readonly kept?: KeptCalls
  readonly signal: AbortSignal
  readonly onRows: (rows: number) => void
  readonly onMessage: (message: ServerMessage) => void
}

/** What came of a call. */
export interface CallResult {
  readonly files: readonly WrittenFile[]
  /** Rows that arrived. */
  readonly rows: number
  /** UTF-16 units of text; bytes of the file, where the rows came in one. */
  readonly bytes: number
  readonly returnCode?: number
  readonly output: { readonly [name: string]: Cell }
  readonly warnings: readonly string[]
  /** Of a call that is kept: when it was made, and whether this is the task that made it. */
  readonly kept?: { readonly since: string; readonly isNew: boolean }
}

/** Hands a connection to the work that needs one. */
export type UseConnection = <T>(work: (connection: Connection) => Promise<T>) => Promise<T>

/**
 * Calls a procedure and stages what it returns.
 *
 * @throws Source.ContractChanged, Source.ResultSet, Source.RowsLost, Source.RecordTooLong, Source.ReturnCode, Source.OutputDiffers, Source.MessageRefused, Connection.*
 */
export async function runCall(
  use: UseConnection,
  frozen: FrozenCall,
  folder: string,
  context: CallContext,
): Promise<CallResult> {
  const { source } = context
  mkdirSync(folder, { recursive: true })
  const call: ProcedureCall = {
    procedure: source.procedure,
    parameters: frozen.parameters,
    output: Object.entries(source.output).map(([name, { type }]) => ({ name, type })),
    timeoutMs: source.timeoutSeconds * 1000,
  }
  const result =
    context.kept === undefined
      ? await use(
          async (connection) =>
            (await copyRows(connection, call, frozen, folder, context)) ??
            (await streamRows(connection, call, frozen, folder, context)),
        )
      : await keptRows(use, context.kept, call, frozen, folder, context)
  assertEnd(source, result.end, result.rows)
  return result
}

type Ended = CallResult & { readonly end: CallEnd }

async function streamRows(
  connection: Connection,
  call: ProcedureCall,
  frozen: FrozenCall,
  folder: string,
  context: CallContext,
): Promise<Ended> {
  const { source, session, inTurn, scanner } = context
  const sets = resultSets(context)
  let stage: Stage | undefined
  let positions: readonly number[] = []
  let arrived = 0
  const sink: CallSink = {
    columns(set, columns) {
      if (!sets.begin(set, columns)) return false
      positions = sets.positions()
      const constants = Object.values(frozen.columns)
      stage = openStage({
        session,
        inTurn,
        scanner,
        folder,
        call: callText(source, frozen),
        columns: positions.length,
        constants,
      })
      return true
    },
    rows(_set, cells, rows) {
      arrived += rows
      context.onRows(rows)
      return stage?.add(
        positions.map((place) => cells[place] as readonly Cell[]),
        rows,
      )
    },
    message: messageSink(context),
  }
  try {
    const end = await connection.call(call, sink, context.signal)
    sets.assertComplete()
    const staged = await (stage as Stage | undefined)?.finish()
    const { files = [], rows = 0, units = 0 } = staged ?? {}
    assert(rows === arrived, 'every row that arrived was staged')
    return { files, rows, bytes: units, ...endOf(end), warnings: sets.warnings(), end }
  } catch (error) {
    await (stage as Stage | undefined)?.abandon()
    throw error
  }
}

/** Out of what is kept of the call, which is made where nothing is. */
async function keptRows(
  use: UseConnection,
  kept: KeptCalls,
  call: ProcedureCall,
  frozen: FrozenCall,
  folder: string,
  context: CallContext,
): Promise<Ended> {
  const { source } = context
  const before = await keptCall(kept, call, source.resultSet)
  const all =
    before ??
    (await use((connection) => keepCall(connection, kept, call, { ...context, scratch: join(folder, 'kept') })))
  for (const message of all.messages) messageSink(context)(message)
  const sets = resultSets(context)
  for (const { set, columns } of all.sets) sets.begin(set, columns)
  sets.assertComplete()
  const own = all.sets.find(({ set }) => set === source.resultSet)!
  const scanned = await usingSet(kept.state, own, async (local) =>
    local.length === 0
      ? { files: [], rows: 0 }
      : await scanWhole(keptSql(local, sets.positions(), Object.values(frozen.columns)), frozen, folder, context),
  )
  assert(scanned.rows === own.rows, 'every row that was kept was staged')
  context.onRows(own.rows)
  const { end, startedAt } = all
  const made = { since: startedAt, isNew: before === undefined }
  return { ...scanned, bytes: own.units, ...endOf(end), warnings: sets.warnings(), end, kept: made }
}

/** Scans a relation at once, and counts what went to quarantine along with what was written. */
async function scanWhole(
  relation: string,
  frozen: FrozenCall,
  folder: string,
  { source, inTurn, scanner, quarantine }: CallContext,
): Promise<{ readonly files: readonly WrittenFile[]; readonly rows: number }> {
  const target = join(folder, 'part-0')
  mkdirSync(target)
  return await inTurn(async () => {
    const before = quarantine.counts().rows
    const found = await scanner.scan(relation, callText(source, frozen), target)
    const rows = found.reduce((sum, one) => sum + one.rows, 0) + quarantine.counts().rows - before
    return { files: found.filter((one) => one.rows > 0), rows }
  })
}

/** By the server's own bulk path, where there is one and the procedure allows it. */
async function copyRows(
  connection: Connection,
  call: ProcedureCall,
  frozen: FrozenCall,
  folder: string,
  context: CallContext,
): Promise<Ended | undefined> {
  if (connection.copy === undefined) return undefined
  const { source } = context
  const sets = resultSets(context)
  let arriving = 0
  const file = join(folder, 'copied.csv')
  const sink = {
    columns: (set: number, columns: readonly ResultColumn[]): boolean => {
      arriving = columns.length
      return sets.begin(set, columns)
    },
    message: messageSink(context),
  }
  const end = await connection.copy(call, file, sink, context.signal)
  if (end === undefined) return undefined
  sets.assertComplete()
  const { size: bytes } = await stat(file)
  const constants = Object.values(frozen.columns)
  const longest = await longestRecord(file)
  const relation = copiedSql(file, arriving, sets.positions(), constants, longest)
  const scanned =
    bytes === 0
      ? { files: [], rows: 0 }
      : await scanWhole(relation, frozen, folder, context).catch(tooLong(source, longest))
  await rm(file)
  context.onRows(scanned.rows)
  return { ...scanned, bytes, ...endOf(end), warnings: sets.warnings(), end }
}

/** What DuckDB says of a record that it cannot hold is the record. */
function tooLong({ procedure }: ProcedureSource, longest: number): (error: unknown) => never {
  return (error) => {
    if (longest <= longestLine) throw error
    throw sluiceError('Source.RecordTooLong', { procedure, bytes: longest, limit: longestLine })
  }
}

function endOf({ returnCode, output }: CallEnd): Pick<CallResult, 'returnCode' | 'output'> {
  return { ...(returnCode === undefined ? {} : { returnCode }), output }
}

/** A call as quarantine and progress name it. */
export function callText({ procedure }: ProcedureSource, { columns }: FrozenCall): string {
  const values = Object.entries(columns).map(([name, value]) => `${name}=${value}`)
  return values.length === 0 ? procedure : `${procedure} (${values.join(', ')})`
}

interface ResultSets {
  /** Whether a set is the declared one. */
  begin(set: number, columns: readonly ResultColumn[]): boolean
  /** For each declared column, its place among those that arrive. */
  positions(): readonly number[]
  assertComplete(): void
  warnings(): readonly string[]
}

/** @throws Source.ResultSet, Source.ContractChanged */
function resultSets({ source, otherSets }: CallContext): ResultSets {
  const { procedure, connection } = source
  let positions: readonly number[] | undefined
  let count = 0
  const warnings: string[] = []
  return {
    begin(set, columns) {
      count = Math.max(count, set)
      if (set !== source.resultSet) {
        if (otherSets.has(set)) return false
        throw untaken(procedure, set, columns)
      }
      const match = matchContract(source.columns, columns)
      const refused = match.differences.filter((difference) => !isTaken(difference, source.evolve))
      if (refused.length > 0) {
        throw sluiceError('Source.ContractChanged', {
          procedure,
          connection,
          differences: differencesText(match.differences),
          classes: [...new Set(match.differences.map((difference) => difference.class))],
        })
      }
      for (const { kind, column, declared, arrived } of match.differences)
        warnings.push(
          `${procedure}: the column "${column}" is ${kind} (${declared} → ${arrived}), which its source takes`,
        )
      positions = match.positions
      return true
    },
    positions: () => positions ?? [],
    assertComplete() {
      if (positions !== undefined) return
      const why = `did not come: the call returned ${count === 0 ? 'none' : `only ${count}`}`
      throw sluiceError('Source.ResultSet', { procedure, set: source.resultSet, why })
    },
    warnings: () => warnings,
  }
}

function messageSink({ source, onMessage }: CallContext): (message: ServerMessage) => void {
  return (message) => {
    onMessage(message)
    if (source.messages === 'fail')
      throw sluiceError('Source.MessageRefused', {
        procedure: source.procedure,
        code: message.code,
        text: message.text,
      })
  }
}

/** @throws Source.RowsLost, Source.ReturnCode, Source.OutputDiffers */
function assertEnd(source: ProcedureSource, end: CallEnd, received: number): void {
  const { procedure, returnCodes, resultSet } = source
  const server = end.rows[resultSet - 1] ?? received
  if (server !== received) throw sluiceError('Source.RowsLost', { procedure, server, received })
  const { returnCode } = end
  if (returnCode !== undefined && returnCodes !== 'any' && !returnCodes.includes(returnCode)) {
    const expected = returnCodes.join(' or ')
    throw sluiceError('Source.ReturnCode', { procedure, code: String(returnCode), expected })
  }
  for (const [name, { equals }] of Object.entries(source.output)) {
    if (equals === undefined) continue
    const expected = String(equals === 'rows' ? received : equals)
    const found = end.output[name] ?? null
    if (found !== null && plain(found) === plain(expected)) continue
    throw sluiceError('Source.OutputDiffers', { procedure, output: name, found: found ?? 'NULL', expected })
  }
}

/** A number without the zeros that its type adds. */
const plain = (text: string): string => (/^-?\d+\.\d+$/.test(text) ? text.replace(/\.?0+$/, '') : text)
